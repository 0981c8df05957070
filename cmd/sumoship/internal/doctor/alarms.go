package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
)

var alarmFaults = []Fault{alarmsNone, alarmsOn, alarmsOff, alarmsSilent, alarmsUnheard, alarmsUnconfirmed}

var alarmsNone = Fault{"alarms-none", Doubt,
	"Nobody is told when logs stop.",
	"The stack has no alarms.",
	"`sumoship deploy --stack {stack}{region} --set Alarms=critical --set AlarmEmail=ADDRESS`; or all, and AlarmTopicArn."}

var alarmsOn = Fault{"alarm-on", Broken,
	"An alarm of the stack is on.",
	"It says what is wrong.",
	"docs/operations.md has a section for each alarm, by its name."}

var alarmsOff = Fault{"alarms-disabled", Doubt,
	"Nobody is told when logs stop.",
	"The actions of alarms are switched off, as for a maintenance.",
	"`aws cloudwatch enable-alarm-actions --alarm-names {alarms}{region}`"}

var alarmsSilent = Fault{"alarms-silent", Doubt,
	"Nobody is told when logs stop.",
	"No alarm of the stack has an action.",
	"`sumoship deploy --stack {stack}{region} --set AlarmEmail=ADDRESS`, or AlarmTopicArn=ARN."}

var alarmsUnheard = Fault{"alarms-unheard", Doubt,
	"Nobody is told when logs stop.",
	"The topic of the alarms does not exist, or has no subscription.",
	"`sumoship deploy --stack {stack}{region} --set AlarmEmail=ADDRESS`, or subscribe to the topic."}

var alarmsUnconfirmed = Fault{"alarms-unconfirmed", Doubt,
	"Nobody is told when logs stop.",
	"The subscription of the topic waits for its confirmation.",
	"Follow the link in the mail of AWS Notifications, or subscribe again."}

// alarmsOf returns the names of the alarms of a stack.
func alarmsOf(s Stack) (names []string) {
	for _, r := range s.Resources {
		if r.Type == "AWS::CloudWatch::Alarm" || r.Type == "AWS::CloudWatch::CompositeAlarm" {
			names = append(names, r.Physical)
		}
	}
	return names
}

func (x *exam) alarms(ctx context.Context) error {
	names := alarmsOf(x.stack)
	if len(names) == 0 {
		x.finds(alarmsNone, "the stack has no alarms")
		return nil
	}
	alarms, err := x.Alarms(ctx, names)
	if err != nil {
		return err
	}
	var off, topics []string
	for _, a := range alarms {
		if a.State == "ALARM" && !a.Composite { // a composite one repeats others
			x.finds(alarmsOn, "%s: %s", a.Name, a.Reason)
		}
		if !a.Enabled {
			off = append(off, a.Name)
		}
		for _, action := range a.Actions {
			if !slices.Contains(topics, action) {
				topics = append(topics, action)
			}
		}
	}
	if len(off) > 0 {
		x.finds(alarmsOff.with("{alarms}", strings.Join(off, " ")), "%s", strings.Join(off, ", "))
	}
	if len(topics) == 0 {
		x.finds(alarmsSilent, "%s, none with an action", count(len(alarms), "alarm"))
	}
	for _, topic := range topics {
		if !strings.Contains(topic, ":sns:") {
			continue // a function or the like, which hears for itself
		}
		t, err := x.Topic(ctx, topic)
		switch {
		case errors.Is(err, ErrNotFound):
			x.finds(alarmsUnheard, "no topic %s", topic)
		case err != nil:
			return err
		case t.Confirmed == 0 && t.Pending > 0:
			x.finds(alarmsUnconfirmed, "%s has %s to confirm", topic, count(t.Pending, "subscription"))
		case t.Confirmed == 0:
			x.finds(alarmsUnheard, "%s has no subscription", topic)
		}
	}
	x.sound("%s, none is on", count(len(alarms), "alarm"))
	return nil
}
