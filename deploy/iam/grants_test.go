package iam_test

import (
	"errors"
	"strings"
	"testing"

	"sumoship/deploy/iam"
)

func TestParseGrant(t *testing.T) {
	for _, s := range []string{
		"exec",
		"xray",
		"kms:arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
		"kms:alias/shop",
		"kms:mrk-0123456789abcdef0123456789abcdef",
		"s3-read:bucket",
		"s3-read:bucket/a/b*",
		"sqs-send:orders.fifo",
		"sqs-consume:arn:aws-cn:sqs:cn-north-1:123456789012:orders",
		"dynamodb:arn:aws:dynamodb:eu-west-1:123456789012:table/carts",
		"secret:shop/db",
		"parameter:/shop/*",
		"sns:news",
		"rds-connect:db-ABC/user",
		"assume:arn:aws:iam::123456789012:role/other",
		"metrics:Shop/Web",
		"lambda:resize",
		"events:default",
	} {
		if g, err := iam.ParseGrant(s); err != nil || g.String() != s {
			t.Errorf("%s: %v, %v", s, g, err)
		}
	}
}

func TestParseGrantErrors(t *testing.T) {
	for _, s := range []string{
		"",
		"sqs",
		"sqs-send",
		"sqs-send:",
		"sqs-send:*",
		"exec:yes",
		"s3-read:*",
		"s3-read:Bucket",
		"s3-read:arn:aws:s3:::bucket",
		"kms:*",
		"kms:shop",
		"kms:arn:aws:kms:eu-west-1:123456789012:key/*",
		"dynamodb:arn:aws:dynamodb:eu-west-1:123456789012:table/*",
		"dynamodb:arn:aws:sqs:eu-west-1:123456789012:orders",
		"dynamodb:arn:aws:dynamodb:eu-west-1:123456789012:global/x",
		"assume:role",
		"assume:arn:aws:iam::123456789012:role/*",
		"assume:arn:aws:iam::123456789012:user/x",
		"sns:a b",
		"secret:arn:nonsense",
		"metrics:*",
		"everything:*",
	} {
		g, err := iam.ParseGrant(s)
		if _, ok := errors.AsType[*iam.GrantError](err); !ok {
			t.Errorf("%q: %v, %v", s, g, err)
		}
	}
}

// Each kind of grant is known by the name in its usage, and the error of a grant
// without an object says that usage.
func TestGrantKinds(t *testing.T) {
	for _, k := range iam.GrantKinds() {
		name, _, takesObject := strings.Cut(k.Usage, ":")
		_, err := iam.ParseGrant(name)
		e, refused := errors.AsType[*iam.GrantError](err)
		if refused != takesObject || refused && e.Want != k.Usage || k.About == "" {
			t.Errorf("%+v: %v", k, err)
		}
	}
}
