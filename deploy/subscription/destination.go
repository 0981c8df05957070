package subscription

import (
	"fmt"
	"slices"
	"strings"
)

// Destination is where subscription filters deliver to.
type Destination struct {
	ARN       string
	Partition string // aws, aws-cn, aws-us-gov
	Service   string // lambda, kinesis, firehose, or logs for a logical destination
	Region    string
	Account   string
	Name      string // of the function, stream or logical destination
	Qualifier string // version or alias of a function, if any
}

type kind struct {
	service, prefix string // of the ARN, and of its resource
	named           func(string) bool
	example         string
}

// kinds are the resources that a subscription can deliver to.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
var kinds = []kind{
	{"lambda", "function:", isFunction, "arn:aws:lambda:REGION:ACCOUNT:function:NAME"},
	{"kinesis", "stream/", func(s string) bool { return spelt(s, 128, "_.-") }, "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"},
	{"firehose", "deliverystream/", func(s string) bool { return spelt(s, 64, "_.-") }, "arn:aws:firehose:REGION:ACCOUNT:deliverystream/NAME"},
	{"logs", "destination:", isName, "arn:aws:logs:REGION:ACCOUNT:destination:NAME"},
}

// FunctionPattern is the form of a function's ARN, with its version or alias or
// without, as a regular expression for the parameter of a template.
const FunctionPattern = `^arn:aws(-[a-z]+)*:lambda:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,140}(:[A-Za-z0-9$_-]{1,128})?$`

// isFunction reports whether text is the name of a function, with its version or
// alias or without.
func isFunction(text string) bool {
	name, qualifier, qualified := strings.Cut(text, ":")
	return spelt(name, 140, "_-") && (!qualified || spelt(qualifier, 128, "$_-"))
}

// arn is the parts of an ARN. The SDK has the like, and is not known here.
type arn struct{ partition, service, region, account, resource string }

func parseARN(text string) (a arn, ok bool) {
	part := strings.SplitN(text, ":", 6)
	if len(part) != 6 || part[0] != "arn" || !isPartition(part[1]) {
		return arn{}, false
	}
	return arn{part[1], part[2], part[3], part[4], part[5]}, true
}

// ParseDestination reads the ARN of a Lambda function (with or without a
// version or alias), a Kinesis data stream, a Firehose stream or a logical
// destination.
func ParseDestination(text string) (Destination, error) {
	a, ok := parseARN(text)
	if !ok {
		return Destination{}, fmt.Errorf("%q is not an ARN (for a function: %s)", text, kinds[0].example)
	}
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.service == a.service })
	if i < 0 {
		return Destination{}, fmt.Errorf("%q is not a destination of CloudWatch Logs: want a function (lambda), a stream (kinesis, firehose) or a logical destination (logs)", text)
	}
	kind := kinds[i]
	name, ok := strings.CutPrefix(a.resource, kind.prefix)
	if !ok || !kind.named(name) || !isRegion(a.region) || !isAccount(a.account) {
		return Destination{}, fmt.Errorf("%q is not of the form %s", text, kind.example)
	}
	d := Destination{ARN: text, Partition: a.partition, Service: a.service, Region: a.region, Account: a.account, Name: name}
	if a.service == "lambda" {
		d.Name, d.Qualifier, _ = strings.Cut(name, ":")
	}
	return d, nil
}

// ParseRole checks the ARN of an IAM role.
func ParseRole(text string) (string, error) {
	a, _ := parseARN(text)
	path, ok := strings.CutPrefix(a.resource, "role/")
	if !ok || a.service != "iam" || a.region != "" || !isAccount(a.account) || !spelt(path, 576, "_+=,.@/-") {
		return "", fmt.Errorf("%q is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)", text)
	}
	return text, nil
}

// NeedsRole reports whether CloudWatch Logs assumes a role to deliver there.
func (d Destination) NeedsRole() bool { return d.Service == "kinesis" || d.Service == "firehose" }

// logGroups returns the log groups that delivery there writes to by default: that
// of a function, or that of a Firehose stream's errors. Subscribing them would
// make a loop.
func (d Destination) logGroups() []string {
	switch d.Service {
	case "lambda":
		return []string{"/aws/lambda/" + d.Name}
	case "firehose":
		return []string{"/aws/kinesisfirehose/" + d.Name}
	}
	return nil
}

// is reports whether an ARN names the destination, whatever version or alias of
// a function the two name: a second filter for it would deliver each log event
// twice.
func (d Destination) is(arn string) bool { return unqualified(arn) == unqualified(d.ARN) }

// Unqualified returns the ARN, of a function without its version or alias.
func (d Destination) Unqualified() string { return unqualified(d.ARN) }

func unqualified(text string) string {
	a, _ := parseARN(text)
	name, ok := strings.CutPrefix(a.resource, "function:")
	_, qualifier, qualified := strings.Cut(name, ":")
	if !ok || !qualified || a.service != "lambda" {
		return text
	}
	return strings.TrimSuffix(text, ":"+qualifier)
}
