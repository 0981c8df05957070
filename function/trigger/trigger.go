// Package trigger says of which AWS service an event is that has reached a wrong
// function, and which function it belongs to.
package trigger

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The functions that an event may belong to.
const (
	Forwarder  = "the forwarder"
	Stream     = "the stream function"
	Replay     = "replay"
	Subscriber = "the subscriber"
)

// Schedule is the Service of the event of a schedule, which several functions take.
const Schedule = "a schedule of Amazon EventBridge"

// Event is what an event is.
type Event struct {
	Service  string // that it is of; "" if not known
	Function string // that takes it; "" if none does, or several do
}

// Error returns an error for an event that has reached a wrong function, which
// should say what it wants instead; nil if the service of the event is not known.
func (e Event) Error(want string) error {
	switch {
	case e.Service == "":
		return nil
	case e.Function == "":
		return fmt.Errorf("this is an event of %s; %s", e.Service, want)
	}
	return fmt.Errorf("this is an event of %s: it belongs to %s; %s", e.Service, e.Function, want)
}

// Source returns the Event of an eventSource.
func Source(name string) Event {
	switch name {
	case "":
		return Event{Service: "an unknown service, without eventSource"}
	case "aws:sqs":
		return Event{"Amazon SQS", Replay}
	case "aws:kinesis":
		return Event{"Amazon Kinesis", Stream}
	case "aws:dynamodb":
		return Event{Service: "Amazon DynamoDB Streams"}
	case "aws:s3":
		return Event{Service: "Amazon S3"}
	case "aws:sns":
		return Event{Service: "Amazon SNS"}
	case "aws:ses":
		return Event{Service: "Amazon SES"}
	case "aws:kafka":
		return Event{Service: "Amazon MSK"}
	case "SelfManagedKafka":
		return Event{Service: "Apache Kafka"}
	case "aws:mq", "aws:rmq":
		return Event{Service: "Amazon MQ"}
	case "aws:docdb":
		return Event{Service: "Amazon DocumentDB"}
	case "aws:codecommit":
		return Event{Service: "AWS CodeCommit"}
	}
	return Event{Service: fmt.Sprintf("%.40q", name)}
}

// Of returns what an event is, as far as its form is that of a known service. It
// is for errors: no function decides by it what to do with log events.
//
// Source: AWS Lambda Developer Guide, "Invoking Lambda with events from other AWS
// services".
func Of(event []byte) Event {
	event = bytes.TrimSpace(event)
	type record struct {
		EventSource string          // EventSource, of SNS
		CF          json.RawMessage `json:"cf"`
	}
	first := func(array json.RawMessage) Event {
		var records []record
		_ = json.Unmarshal(array, &records) // what has another type is not known
		for _, r := range records {
			switch {
			case r.EventSource != "":
				return Source(r.EventSource)
			case r.CF != nil:
				return Event{Service: "Amazon CloudFront"}
			}
		}
		return Event{}
	}
	if len(event) > 0 && event[0] == '[' {
		e := first(event)
		if e.Service != "" {
			e.Service += ", by a pipe of Amazon EventBridge"
		}
		if e.Function != Replay { // which takes an array as it takes a batch
			e.Function = ""
		}
		return e
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(event, &members) != nil {
		return Event{}
	}
	word := func(member string) (s string) {
		_ = json.Unmarshal(members[member], &s) // "" if it is not a string
		return s
	}
	if members["awslogs"] != nil {
		return Event{"Amazon CloudWatch Logs", Forwarder}
	}
	if e := first(members["Records"]); e.Service != "" {
		return e
	}
	if s := word("eventSource"); s != "" {
		return Source(s)
	}
	switch detail := word("detail-type"); detail {
	case "":
	case "Scheduled Event":
		return Event{Service: Schedule}
	case "AWS API Call via CloudTrail":
		return Event{"Amazon EventBridge", Subscriber}
	default:
		return Event{Service: "Amazon EventBridge"}
	}
	for _, m := range []struct{ member, service string }{
		{"deliveryStreamArn", "Amazon Data Firehose"}, {"alarmData", "an alarm of Amazon CloudWatch"}, {"CodePipeline.job", "AWS CodePipeline"},
		{"ResponseURL", "AWS CloudFormation"}, {"invokingEvent", "AWS Config"}, {"invocationSchemaVersion", "Amazon S3 Batch Operations"},
		{"userPoolId", "Amazon Cognito"},
	} {
		if members[m.member] != nil {
			return Event{Service: m.service}
		}
	}
	if word("Event") == "s3:TestEvent" {
		return Event{Service: "Amazon S3"}
	}
	if context := members["requestContext"]; context != nil {
		var c struct{ ELB json.RawMessage }
		_ = json.Unmarshal(context, &c)
		if c.ELB != nil {
			return Event{Service: "an Application Load Balancer"}
		}
		return Event{Service: "an HTTP request"}
	}
	return Event{}
}
