package subscription

import (
	"fmt"
	"regexp"
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
	name            pattern
	example         string
}

// kinds are the resources that a subscription can deliver to.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter.
var kinds = []kind{
	{"lambda", "function:", `^[A-Za-z0-9_-]{1,140}(:[A-Za-z0-9$_-]{1,128})?$`, "arn:aws:lambda:REGION:ACCOUNT:function:NAME"},
	{"kinesis", "stream/", `^[A-Za-z0-9_.-]{1,128}$`, "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"},
	{"firehose", "deliverystream/", `^[A-Za-z0-9_.-]{1,64}$`, "arn:aws:firehose:REGION:ACCOUNT:deliverystream/NAME"},
	{"logs", "destination:", `^[^:*]{1,512}$`, "arn:aws:logs:REGION:ACCOUNT:destination:NAME"},
}

// pattern is a regular expression that is compiled where it is needed: all the
// functions link this package, and only one of them uses it.
type pattern string

func (p pattern) MatchString(s string) bool { return regexp.MustCompile(string(p)).MatchString(s) }

const (
	partition pattern = `^aws(-[a-z]+)*$`
	region    pattern = `^[a-z]{2,}(-[a-z]+)+-[0-9]+$`
	account   pattern = `^[0-9]{12}$`
	role      pattern = `^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}$`
)

// ParseDestination reads the ARN of a Lambda function (with or without a
// version or alias), a Kinesis data stream, a Firehose stream or a logical
// destination.
func ParseDestination(arn string) (Destination, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || !partition.MatchString(part[1]) {
		return Destination{}, fmt.Errorf("%q is not an ARN (for a function: %s)", arn, kinds[0].example)
	}
	d := Destination{ARN: arn, Partition: part[1], Service: part[2], Region: part[3], Account: part[4]}
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.service == d.Service })
	if i < 0 {
		return Destination{}, fmt.Errorf("%q is no destination of CloudWatch Logs, which are functions (lambda), streams (kinesis, firehose) and logical destinations (logs)", arn)
	}
	kind := kinds[i]
	name, ok := strings.CutPrefix(part[5], kind.prefix)
	if !ok || !kind.name.MatchString(name) || !region.MatchString(d.Region) || !account.MatchString(d.Account) {
		return Destination{}, fmt.Errorf("%q is not of the form %s", arn, kind.example)
	}
	d.Name = name
	if d.Service == "lambda" {
		d.Name, d.Qualifier, _ = strings.Cut(name, ":")
	}
	return d, nil
}

// ParseRole checks the ARN of an IAM role.
func ParseRole(arn string) (string, error) {
	if !role.MatchString(arn) {
		return "", fmt.Errorf("%q is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)", arn)
	}
	return arn, nil
}

// NeedsRole tells whether CloudWatch Logs assumes a role to deliver there.
func (d Destination) NeedsRole() bool { return d.Service == "kinesis" || d.Service == "firehose" }

// LogGroups are the log groups that delivery there writes to, unless it is told
// to write elsewhere: those of a function, and of the errors of a Firehose
// stream. Subscribing them would make a loop.
func (d Destination) LogGroups() []string {
	switch d.Service {
	case "lambda":
		return []string{"/aws/lambda/" + d.Name}
	case "firehose":
		return []string{"/aws/kinesisfirehose/" + d.Name}
	}
	return nil
}

// Is tells whether an ARN is that of the destination, whatever version or alias
// of a function the two name: it would get each log event twice.
func (d Destination) Is(arn string) bool { return same(arn, d.ARN) }

// Unqualified is the ARN, of a function without its version or alias.
func (d Destination) Unqualified() string { return unqualified(d.ARN) }

// same tells whether two ARNs are of the same destination, whatever version or
// alias of a function they name: it would get each log event twice.
func same(a, b string) bool { return a == b || unqualified(a) == unqualified(b) }

// unqualified is the ARN of a function without its version or alias.
func unqualified(arn string) string {
	if strings.Count(arn, ":") == 7 && strings.Contains(arn, ":function:") {
		return arn[:strings.LastIndexByte(arn, ':')]
	}
	return arn
}
