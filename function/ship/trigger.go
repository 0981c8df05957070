package ship

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sumoship/dlq"
)

// record is a message of SQS in an event.
type record struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              *string           `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes map[string]struct {
		StringValue string `json:"stringValue"`
	} `json:"messageAttributes"`
	EventSource string `json:"eventSource"` // EventSource in an event of SNS
}

// source is the source of the events of SQS.
const source = "aws:sqs"

// services are the names of other sources.
var services = map[string]string{
	"aws:kinesis":      "Amazon Kinesis",
	"aws:dynamodb":     "Amazon DynamoDB Streams",
	"aws:s3":           "Amazon S3",
	"aws:sns":          "Amazon SNS",
	"aws:ses":          "Amazon SES",
	"aws:kafka":        "Amazon MSK",
	"SelfManagedKafka": "Apache Kafka",
	"aws:mq":           "Amazon MQ",
	"aws:rmq":          "Amazon MQ",
	"aws:codecommit":   "AWS CodeCommit",
}

// readTrigger returns the messages in an event of replay: those of an event source
// mapping, {"Records":[…]}, or of a pipe, […]. There are none if replay should
// drain the queue. Whatever is not wholly understood is an error, or a mapping
// would delete what was not sent.
func readTrigger(event []byte) ([]dlq.Message, error) {
	event = bytes.TrimSpace(event)
	switch {
	case len(event) == 0 || string(event) == "null":
		return nil, nil
	case event[0] == '[':
		return readRecords(event)
	}
	members, err := readObject(event)
	if err != nil {
		return nil, fmt.Errorf("not an event that replay takes: %w; want messages of Amazon SQS, or {} to drain the queue", err)
	}
	if records, ok := members["Records"]; ok {
		return readRecords(records)
	}
	if len(members) == 0 {
		return nil, nil
	}
	var known struct {
		EventSource, DeliveryStreamArn string
		DetailType                     string `json:"detail-type"`
	}
	_ = json.Unmarshal(event, &known) // what has another type is not known
	switch {
	case known.DetailType == "Scheduled Event":
		return nil, nil
	case members["awslogs"] != nil:
		return nil, errors.New("this is an event of Amazon CloudWatch Logs; subscribe log groups to the forwarder, not to replay")
	case known.DeliveryStreamArn != "":
		return nil, notSQS("Amazon Data Firehose")
	case known.DetailType != "":
		return nil, notSQS("Amazon EventBridge")
	case known.EventSource != "":
		return nil, notSQS(serviceOf(known.EventSource))
	case members["requestContext"] != nil:
		return nil, notSQS("an HTTP request")
	}
	return nil, errors.New("not an event that replay takes; want messages of Amazon SQS, or {} to drain the queue")
}

// readObject returns the members of a JSON object. A name that is there twice is an
// error.
func readObject(event []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(event))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		key, _ := name.(string) // a member has a name
		if _, twice := members[key]; twice {
			return nil, fmt.Errorf("it has %.40q twice", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		members[key] = value
	}
	if _, err := dec.Token(); err != nil { // }
		return nil, errors.New("not valid JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON document")
	}
	return members, nil
}

// readRecords reads an array of messages.
func readRecords(array []byte) ([]dlq.Message, error) {
	var records []*record
	err := json.Unmarshal(array, &records)
	if err != nil || len(records) == 0 {
		// Which service it is of can often be read all the same.
		var others []struct{ EventSource string }
		_ = json.Unmarshal(array, &others)
		for _, o := range others {
			if o.EventSource != source && o.EventSource != "" {
				return nil, notSQS(serviceOf(o.EventSource))
			}
		}
		return nil, errors.New("the records of the event are not an array of messages of Amazon SQS")
	}
	messages := make([]dlq.Message, len(records))
	for i, m := range records {
		switch {
		case m == nil:
			return nil, fmt.Errorf("record %d of the event is null; want a message of Amazon SQS", i)
		case m.EventSource != source:
			return nil, notSQS(serviceOf(m.EventSource))
		case m.MessageID == "" || m.Body == nil:
			return nil, fmt.Errorf("record %d of the event is not a message of Amazon SQS: it has no messageId or no body", i)
		}
		attributes := map[string]string{}
		for name, v := range m.MessageAttributes {
			attributes[name] = v.StringValue
		}
		messages[i] = dlq.NewMessage(m.MessageID, *m.Body, m.Attributes, attributes).WithHandle(m.ReceiptHandle)
	}
	return messages, nil
}

// serviceOf names the service of an event source.
func serviceOf(source string) string {
	if source == "" {
		return "an unknown service, without eventSource"
	}
	return cmp.Or(services[source], fmt.Sprintf("%.40q", source))
}

func notSQS(service string) error {
	return fmt.Errorf("this is an event of %s; replay takes messages of Amazon SQS, or {} to drain the queue", service)
}
