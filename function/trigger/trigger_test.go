package trigger

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		event string
		want  Event
	}{
		{`{"awslogs":{"data":"H4sI"}}`, Event{"Amazon CloudWatch Logs", Forwarder}},
		{`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"aGk="},"eventID":"shardId-0:1"}]}`, Event{"Amazon Kinesis", Stream}},
		{`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"b"}]}`, Event{"Amazon SQS", Replay}},
		{`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"m"}}]}`, Event{"Amazon SNS", ""}},
		{`{"Records":[{"eventSource":"aws:s3","s3":{}}]}`, Event{"Amazon S3", ""}},
		{`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`, Event{"Amazon S3", ""}},
		{`{"invocationSchemaVersion":"1.0","tasks":[]}`, Event{"Amazon S3 Batch Operations", ""}},
		{`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{}}]}`, Event{"Amazon DynamoDB Streams", ""}},
		{`{"Records":[{"eventSource":"aws:ses"}]}`, Event{"Amazon SES", ""}},
		{`{"Records":[{"cf":{"request":{}}}]}`, Event{"Amazon CloudFront", ""}},
		{`{"Records":[{"eventSource":"aws:codecommit"}]}`, Event{"AWS CodeCommit", ""}},
		{`{"Records":[{"eventSource":"aws:new"}]}`, Event{`"aws:new"`, ""}},
		{`{"eventSource":"aws:kafka","records":{"topic-0":[]}}`, Event{"Amazon MSK", ""}},
		{`{"eventSource":"SelfManagedKafka","records":{}}`, Event{"Apache Kafka", ""}},
		{`{"eventSource":"aws:mq","messages":[]}`, Event{"Amazon MQ", ""}},
		{`{"eventSource":"aws:rmq","rmqMessagesByQueue":{}}`, Event{"Amazon MQ", ""}},
		{`{"eventSource":"aws:docdb","events":[]}`, Event{"Amazon DocumentDB", ""}},
		{`{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:x","region":"r","records":[{"recordId":"1","data":"aGk="}]}`, Event{"Amazon Data Firehose", ""}},
		{`{"source":"aws.cloudwatch","alarmArn":"arn:x","accountId":"1","alarmData":{"alarmName":"n"}}`, Event{"an alarm of Amazon CloudWatch", ""}},
		{`{"detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch","detail":{}}`, Event{"Amazon EventBridge", ""}},
		{`{"detail-type":"Object Created","source":"aws.s3","detail":{}}`, Event{"Amazon EventBridge", ""}},
		{`{"detail-type":"AWS API Call via CloudTrail","source":"aws.logs","detail":{"eventName":"CreateLogGroup"}}`, Event{"Amazon EventBridge", Subscriber}},
		{`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`, Event{Schedule, ""}},
		{`{"requestContext":{"elb":{"targetGroupArn":"arn:x"}},"httpMethod":"GET"}`, Event{"an Application Load Balancer", ""}},
		{`{"version":"2.0","requestContext":{"http":{}},"body":"b"}`, Event{"an HTTP request", ""}},
		{`{"RequestType":"Create","ResponseURL":"https://x","StackId":"s"}`, Event{"AWS CloudFormation", ""}},
		{`{"CodePipeline.job":{"id":"1"}}`, Event{"AWS CodePipeline", ""}},
		{`{"invokingEvent":"{}","ruleParameters":"{}"}`, Event{"AWS Config", ""}},
		{`{"triggerSource":"PreSignUp_SignUp","userPoolId":"p"}`, Event{"Amazon Cognito", ""}},
		{`[{"eventSource":"aws:kinesis","data":"aGk=","partitionKey":"p"}]`, Event{"Amazon Kinesis, by a pipe of Amazon EventBridge", ""}},
		{`[{"eventSource":"aws:sqs","messageId":"m","body":"b"}]`, Event{"Amazon SQS, by a pipe of Amazon EventBridge", Replay}},

		{``, Event{}}, {`null`, Event{}}, {`{}`, Event{}}, {`[]`, Event{}}, {`[7]`, Event{}}, {`garbage`, Event{}}, {`{"key1":"value1"}`, Event{}},
		{`{"Records":[]}`, Event{}}, {`{"Records":[null]}`, Event{}}, {`{"Records":7,"detail-type":7}`, Event{}}, {`{"Records":[{}]} x`, Event{}},
	} {
		if got := Of([]byte(tt.event)); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.event, got, tt.want)
		}
	}
}

func TestError(t *testing.T) {
	for want, e := range map[string]Event{
		"this is an event of Amazon Kinesis: it belongs to the stream function; want x": Source("aws:kinesis"),
		"this is an event of Amazon S3; want x":                                         Source("aws:s3"),
		"this is an event of an unknown service, without eventSource; want x":           Source(""),
	} {
		if err := e.Error("want x"); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := (Event{}).Error("want x"); err != nil {
		t.Error(err)
	}
	if long := Source(strings.Repeat("x", 1000)); len(long.Service) > 50 {
		t.Errorf("%s", long.Service)
	}
}
