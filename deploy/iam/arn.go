package iam

import (
	"regexp"
	"strings"

	"sumoship/deploy/cfn"
)

// arn is an Amazon Resource Name without its partition. This package cannot use
// aws/arn of the SDK, because deploy does not import the SDK.
type arn struct{ service, region, account, resource string }

var arnPattern = regexp.MustCompile(`^arn:aws[a-z-]*:([a-z0-9-]+):([a-z0-9-]*):(\d{12}|):(.+)$`)

func parseARN(s string) (a arn, ok bool) {
	m := arnPattern.FindStringSubmatch(s)
	if m == nil {
		return arn{}, false
	}
	return arn{m[1], m[2], m[3], m[4]}, true
}

// arn returns the ARN of a resource in the account and Region of the roles.
func (b *builder) arn(service string, resource ...any) cfn.Expression {
	return cfn.Concat(append([]any{"arn:", b.partition, ":" + service + ":", b.region, ":", b.account, ":"}, resource...)...)
}

// partitions are the partitions and their URL suffixes, by the prefix of the names
// of their Regions.
//
// Source: AWS SDKs, "partitions.json".
var partitions = []struct{ prefix, name, suffix string }{
	{"cn-", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov"},
	{"us-iso-", "aws-iso", "c2s.ic.gov"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
	{"eusc-", "aws-eusc", "amazonaws.eu"},
	{"", "aws", "amazonaws.com"},
}

// partitionOf returns the partition of a Region, and its URL suffix.
func partitionOf(region string) (name, suffix string) {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name, p.suffix
		}
	}
	panic("unreachable: the last prefix is empty")
}
