package subscribe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"sumoship/deploy/subscription"
	sent "sumoship/function/trigger"
)

// trigger is what an event asks the subscriber for.
type trigger struct {
	kind    string
	group   subscription.Group  // of triggerGroup
	ignored subscription.Reason // why there is nothing to do for the group
	continuation
}

const (
	triggerGroup    = "group" // one log group was made
	triggerSchedule = "schedule"
	triggerHand     = "hand"
	triggerRest     = "rest" // of an earlier run
)

// continuation is the event by which a run hands over the rest. Its first two
// members are those of Sumo's connector.
type continuation struct {
	ExistingLogs string `json:"existingLogs,omitempty"` // "true"
	Token        string `json:"token,omitempty"`        // of the page to go on with
	Stalled      int    `json:"stalled,omitempty"`      // runs in a row that finished no page
}

// Reasons to ignore an event.
const (
	creationFailed subscription.Reason = "its creation failed"
	elsewhere      subscription.Reason = "another account or Region"
	otherEvent     subscription.Reason = "another event"
)

// readTrigger reads an event. self is the ARN of this function, if known.
func readTrigger(event []byte, self string) (trigger, error) {
	if e := bytes.TrimSpace(event); len(e) == 0 || string(e) == "null" {
		return trigger{kind: triggerHand}, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(event, &members); err != nil {
		return trigger{}, cmp.Or(refused(event), fmt.Errorf("the event is not a JSON object: %w", err))
	}
	if members["awslogs"] != nil {
		return trigger{}, errors.New("this is an event of a subscription: a log group is subscribed to the subscriber; let DESTINATION_ARN be the forwarder")
	}
	if members["detail-type"] != nil {
		return readEventBridge(event, self)
	}
	t := trigger{kind: triggerHand}
	d := json.NewDecoder(bytes.NewReader(event))
	d.DisallowUnknownFields()
	if err := d.Decode(&t.continuation); err != nil {
		return trigger{}, cmp.Or(refused(event), fmt.Errorf("the event is neither one of EventBridge nor {}: %w", err))
	}
	if t.Token != "" {
		t.kind = triggerRest
	}
	return t, nil
}

// refused names the service of an event, nil if it is not known.
func refused(event []byte) error {
	return sent.Of(event).Error("the subscriber takes those of Amazon EventBridge, or {} for all log groups")
}

func readEventBridge(event []byte, self string) (trigger, error) {
	var in struct {
		Type    string `json:"detail-type"`
		Account string
		Region  string
		Detail  json.RawMessage
	}
	if err := json.Unmarshal(event, &in); err != nil {
		return trigger{}, fmt.Errorf("the event of EventBridge cannot be read: %w", err)
	}
	if in.Type == "Scheduled Event" {
		return trigger{kind: triggerSchedule}, nil
	}
	t := trigger{kind: triggerGroup}
	var detail struct {
		EventName         string
		ErrorCode         string
		RequestParameters struct {
			LogGroupName  string
			LogGroupClass string
			Tags          map[string]string
		}
	}
	// Details of other events may have any form.
	if err := json.Unmarshal(in.Detail, &detail); err != nil && strings.Contains(string(in.Detail), "CreateLogGroup") {
		return trigger{}, fmt.Errorf("the CreateLogGroup event cannot be read: %w", err)
	}
	p := detail.RequestParameters
	t.group = subscription.Group{Name: p.LogGroupName, Class: p.LogGroupClass, Tags: p.Tags}
	if t.group.Tags == nil {
		t.group.Tags = map[string]string{} // it was made without any
	}
	here, err := arn.Parse(self)
	known := err == nil
	switch {
	case detail.EventName != "CreateLogGroup":
		t.ignored = otherEvent
	case detail.ErrorCode != "":
		t.ignored = creationFailed
	case known && (in.Region != "" && in.Region != here.Region || in.Account != "" && in.Account != here.AccountID):
		t.ignored = elsewhere
	default:
		if _, err := subscription.ParseGroup(p.LogGroupName); err != nil {
			return trigger{}, fmt.Errorf("the CreateLogGroup event: %w", err)
		}
	}
	return t, nil
}
