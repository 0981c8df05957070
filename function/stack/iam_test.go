package stack_test

import (
	"debug/elf"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/function/awstest/lambdatest"
)

// statements returns those of the role of a function and of the policies attached to
// it.
func (s *stack) statements(name string) []any {
	s.t.Helper()
	role := s.resources[name+"Role"]
	if role.Type != "AWS::IAM::Role" || role.Properties["ManagedPolicyArns"] != nil {
		s.t.Fatalf("%sRole: %v", name, role)
	}
	var all []any
	for _, p := range role.Properties["Policies"].([]any) {
		all = append(all, get(p, "PolicyDocument", "Statement").([]any)...)
	}
	for _, p := range s.of("AWS::IAM::Policy") {
		if slices.Contains(list(p.Properties["Roles"]), s.ref(name+"Role").(string)) {
			all = append(all, get(p.Properties, "PolicyDocument", "Statement").([]any)...)
		}
	}
	return all
}

// permissions returns a statement's actions on resources, as "action ARN".
func permissions(statement any) (all []string) {
	for _, a := range list(get(statement, "Action")) {
		for _, r := range list(get(statement, "Resource")) {
			all = append(all, a+" "+r)
		}
	}
	return all
}

// grants returns what the role of a function allows to its code, as "action ARN", and
// to AWS's services that act for it, as actions.
func (s *stack) grants(name string) (code, services []string) {
	s.t.Helper()
	for _, st := range s.statements(name) {
		if get(st, "Effect") != "Allow" {
			continue
		}
		for _, p := range permissions(st) {
			a, r, _ := strings.Cut(p, " ")
			service, _, _ := strings.Cut(a, ":")
			switch service {
			case "logs":
				if a != "logs:CreateLogStream" && a != "logs:PutLogEvents" {
					if name != "Subscriber" || r != s.arn("logs", "log-group:*") {
						s.t.Errorf("%s may %s %s", name, a, r)
					}
					code = append(code, p)
					continue
				}
				if r != s.attribute(name+"Logs", "Arn") {
					s.t.Errorf("%s may %s %s", name, a, r)
				}
			case "kms":
				if via := fmt.Sprint(get(st, "Condition")); !strings.Contains(via, "kms:ViaService") || !strings.Contains(r, ":key/") {
					s.t.Errorf("%s may %s %s, %s", name, a, r, via)
				}
			case "kinesis":
				if r != s.attribute("CentralStream", "Arn") {
					s.t.Errorf("%s may %s %s", name, a, r)
				}
			case "s3":
				if name == "Replay" {
					if want := "s3:PutObject arn:aws:s3:::" + s.parameters["OverflowBucket"] + "/sumoship/*"; p != want {
						s.t.Errorf("%s may %s, want %s", name, p, want)
					}
				} else if bucket := s.attribute("CentralBucket", "Arn").(string); r != bucket && r != bucket+"/*" {
					s.t.Errorf("%s may %s %s", name, a, r)
				}
			case "xray", "ec2":
				if r != "*" {
					s.t.Errorf("%s may %s %s: the action has no resources", name, a, r)
				}
			default:
				if strings.Contains(p, "*") {
					s.t.Errorf("%s may %s %s", name, a, r)
				}
				code = append(code, p)
				continue
			}
			services = append(services, a)
		}
	}
	slices.Sort(code)
	slices.Sort(services)
	return code, slices.Compact(services)
}

// covers reports whether a permission covers a call, both "action ARN".
func covers(permission, call string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(permission), `\*`, ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(call)
}

// used returns the grants that calls need, sorted. A call that no grant covers is
// listed itself, and one that is denied as "denied: " and the call.
func (s *stack) used(name string, grants, calls []string) []string {
	var denied, used []string
	for _, st := range s.statements(name) {
		if get(st, "Effect") == "Deny" {
			denied = append(denied, permissions(st)...)
		}
	}
	for _, c := range calls {
		covered := func(permission string) bool { return covers(permission, c) }
		i := slices.IndexFunc(grants, covered)
		if i < 0 {
			used = append(used, c)
			continue
		}
		// Lambda's own calls for the network are denied to the code only.
		if slices.ContainsFunc(denied, covered) {
			used = append(used, "denied: "+c)
		}
		used = append(used, grants[i])
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// list returns a string, or a list of strings, as a list.
func list(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	for _, e := range v.([]any) {
		out = append(out, e.(string))
	}
	return out
}

// The roles grant exactly what the code calls: the calls that the linker left in the
// binaries, all of which are made.
func TestRolesGrantWhatTheCodeCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	tmpl := readTemplate(t)
	configured := map[string]*stack{}
	for name, endpoint := range map[string]map[string]string{"secret": secret, "ssm": ssm, "made": made} {
		configured[name] = tmpl.create(t, with(endpoint, "OrganizationId="+organization, "Subscription=pattern", "LogGroupPattern=^/ecs/", "LogGroupTags=ship=yes", "LogGroupExclude=debug"))
	}
	bootstraps, done := map[string]string{}, map[string]map[string]bool{}
	for name := range configured["made"].of("AWS::Serverless::Function") {
		bootstraps[name] = lambdatest.Build(t, "sumoship/function/"+strings.ToLower(name))
		done[name] = map[string]bool{}
	}
	for config, s := range configured {
		for name, calls := range run(t, s, bootstraps) {
			grants, _ := s.grants(name)
			if d := cmp.Diff(grants, s.used(name, grants, calls)); d != "" {
				t.Errorf("%s, endpoint %s: calls against grants (-want +got):\n%s", name, config, d)
			}
			for _, c := range calls {
				a, _, _ := strings.Cut(c, " ")
				done[name][a] = true
			}
		}
	}
	// The runs above have made every call that is in the binaries.
	for name := range bootstraps {
		f, err := elf.Open(makeFunction(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if d := cmp.Diff(calls(t, f), slices.Sorted(maps.Keys(done[name]))); d != "" {
			t.Errorf("%s: calls made against those in the binary (-want +got):\n%s", name, d)
		}
	}
}

// The subscriber may subscribe any log group but ours: neither those of this stack nor
// those of another.
func TestSubscriberIsDeniedOurOwn(t *testing.T) {
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		if _, ok := s.resources["Subscriber"]; !ok {
			t.Skip("no subscriber")
		}
		grants, _ := s.grants("Subscriber")
		put := func(group string) string {
			return "logs:PutSubscriptionFilter " + s.arn("logs", "log-group:"+group+":log-stream:")
		}
		want, calls := []string{}, []string{put("/ecs/web"), put("sumoship"), put("/sumoship/other/forwarder")}
		for _, g := range s.of("AWS::Logs::LogGroup") {
			calls = append(calls, put(g.Properties["LogGroupName"].(string)))
		}
		for _, c := range calls[2:] {
			want = append(want, "denied: "+c)
		}
		want = append(want, "logs:PutSubscriptionFilter "+s.arn("logs", "log-group:*"))
		slices.Sort(want)
		if d := cmp.Diff(want, s.used("Subscriber", grants, calls)); d != "" {
			t.Errorf("permissions used (-want +got):\n%s", d)
		}
	})
}

// What AWS's services do on behalf of a function depends on the options.
func TestRolesGrantWhatServicesNeed(t *testing.T) {
	log := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	network := []string{"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"}
	forEachConfiguration(t, func(t *testing.T, s *stack) {
		for name := range s.of("AWS::Serverless::Function") {
			want := slices.Clone(log)
			ships := name == "Forwarder" || name == "Replay" || name == "Stream"
			if name == "Stream" { // Lambda reads the stream and writes into the bucket
				want = append(want, "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator",
					"kinesis:ListShards", "s3:ListBucket", "s3:PutObject")
			}
			if s.parameters["KmsKeyArn"] != "" && ships {
				want = append(want, "kms:Decrypt", "kms:GenerateDataKey")
			}
			if s.parameters["SumoKmsKeyArn"] != "" && ships {
				want = append(want, "kms:Decrypt")
			}
			if s.parameters["OverflowBucket"] != "" && name == "Replay" {
				want = append(want, "s3:PutObject")
			}
			if s.parameters["Tracing"] == "true" && name != "Heartbeat" {
				want = append(want, "xray:PutTelemetryRecords", "xray:PutTraceSegments")
			}
			if s.parameters["SubnetIds"] != "" && name != "Heartbeat" {
				want = append(want, network...)
			}
			slices.Sort(want)
			want = slices.Compact(want)
			_, got := s.grants(name)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: actions of services (-want +got):\n%s", name, d)
			}
			role := s.resources[name+"Role"].Properties
			trust := get(role, "AssumeRolePolicyDocument", "Statement").([]any)
			if len(trust) != 1 || get(trust[0], "Principal", "Service") != "lambda.amazonaws.com" || get(trust[0], "Action") != "sts:AssumeRole" {
				t.Errorf("%s trusts %v", name, trust)
			}
			if bound, _ := role["PermissionsBoundary"].(string); bound != s.parameters["PermissionsBoundaryArn"] {
				t.Errorf("%s is bounded by %q", name, bound)
			}
		}
	})
}

// What ships may read the rules, their key, the tags of log groups and network
// interfaces, if it is to; otherwise none of these.
func TestRulesMayBeRead(t *testing.T) {
	const object, parameter, key = "arn:aws:s3:::conf/rules.yaml", "arn:aws:ssm:us-east-1:123456789012:parameter/rules", "arn:aws:ssm:us-east-1:123456789012:parameter/key"
	ofRules := func(s *stack, name string) (out []string) {
		for _, st := range s.statements(name) {
			if sid, _ := get(st, "Sid").(string); strings.HasPrefix(sid, "ReadRules") || sid == "ReadTags" || sid == "DescribeInterfaces" {
				out = append(out, permissions(st)...)
			}
		}
		return out
	}
	tmpl := readTemplate(t)
	for _, place := range []string{object, parameter} {
		s := tmpl.create(t, with(made, "RulesArn="+place, "RulesKeyArn="+key, "IncludeSecurityGroupInfo=true", "OrganizationId=o-a1b2c3d4e5"))
		for _, name := range []string{"Forwarder", "Replay", "Stream"} {
			want := []string{"ec2:DescribeNetworkInterfaces *", "ssm:GetParameter " + place, "s3:GetObject " + place, "logs:ListTagsForResource " + s.arn("logs", "log-group:*"),
				"ssm:GetParameter " + key, "secretsmanager:GetSecretValue " + key}
			if d := cmp.Diff(want, ofRules(s, name)); d != "" {
				t.Errorf("%s, rules in %s (-want +got):\n%s", name, place, d)
			}
			if v := s.variables(name); v["RULES"] != place || v["RULES_KEY"] != key {
				t.Errorf("%s has RULES %q and RULES_KEY %q", name, v["RULES"], v["RULES_KEY"])
			}
		}
		for _, name := range []string{"Heartbeat"} {
			if got := ofRules(s, name); got != nil {
				t.Errorf("%s may %q", name, got)
			}
		}
	}
	s := tmpl.create(t, made)
	for name := range s.of("AWS::Serverless::Function") {
		if got := ofRules(s, name); got != nil {
			t.Errorf("%s without rules may %q", name, got)
		}
	}
}
