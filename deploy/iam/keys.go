package iam

import (
	"regexp"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
)

var (
	keyID       = regexp.MustCompile(`^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	keyAlias    = regexp.MustCompile(`^alias/[\w/-]{1,250}$`)
	keyResource = regexp.MustCompile(`^(?:key/(?:[0-9a-f-]+|mrk-[0-9a-f]+)|(alias/[\w/-]+))$`)
)

// wantKey says how a key can be given.
const wantKey = "the ARN, ID or alias of a KMS key, such as arn:aws:kms:REGION:ACCOUNT:key/ID or alias/NAME"

// key is a KMS key as a policy names it.
type key struct {
	arn, region cfn.Expression
	alias       string // in a condition, "" for a key by its ID
}

// conditions returns the condition that a key has the alias, if it has one.
func (k key) conditions() []condition {
	if k.alias == "" {
		return nil
	}
	return []condition{{"ForAnyValue:StringEquals", "kms:ResourceAliases", []cfn.Expression{cfn.Literal(k.alias)}}}
}

// key returns the key of an ARN, ID or alias; ok is false for anything else.
func (b *builder) key(s string) (k key, ok bool) {
	switch {
	case keyID.MatchString(s):
		return key{b.arn("kms", "key/"+s), b.region, ""}, true
	case keyAlias.MatchString(s):
		return key{b.arn("kms", "key/*"), b.region, s}, true
	}
	a, resource, ok := parseKeyARN(s)
	if !ok {
		return key{}, false
	}
	k = key{cfn.Literal(s), cfn.Literal(a.region), resource}
	if k.alias != "" {
		k.arn = cfn.Literal(strings.TrimSuffix(s, k.alias) + "key/*")
	}
	return k, true
}

// parseKeyARN reads the ARN of a key, or of its alias.
func parseKeyARN(s string) (a arn, alias string, ok bool) {
	a, ok = parseARN(s)
	m := keyResource.FindStringSubmatch(a.resource)
	if !ok || m == nil || a.service != "kms" || a.region == "" || a.account == "" {
		return arn{}, "", false
	}
	return a, m[1], true
}

// keys lets the execution role decrypt with the keys of the options, but only
// through the services that the definition reads from.
//
// Source: AWS KMS Developer Guide, "Condition keys" (kms:ViaService) and "Use
// aliases to control access to KMS keys".
func (b *builder) keys() {
	if len(b.Keys) == 0 {
		return
	}
	if len(b.decrypting) == 0 {
		b.AddError(&finding.OptionError{Option: "Keys", Value: strings.Join(b.Keys, ", "), Want: "no key: nothing in the definition is a secret, a parameter or an environment file"})
		return
	}
	for _, s := range b.Keys {
		k, ok := b.key(s)
		if !ok {
			b.AddError(&finding.OptionError{Option: "Keys", Value: s, Want: wantKey})
			continue
		}
		via := condition{"StringLike", "kms:ViaService", nil}
		for _, service := range b.decrypting {
			via.values = append(via.values, cfn.Concat(service+".", k.region, ".*"))
		}
		b.execution.addStatement("Decrypt", decrypt, []cfn.Expression{k.arn}, append([]condition{via}, k.conditions()...)...)
	}
}
