package service_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/service"
	"sumoship/deploy/subscription"
	"sumoship/deploy/tree"
)

// permission returns the only permission of the forwarder in a template, if there
// is one.
func permission(t *testing.T, resources *tree.Node) (id string, ok bool) {
	t.Helper()
	for name, r := range resources.Members() {
		if r.Key("Type").Str() == "AWS::Lambda::Permission" {
			if ok {
				t.Errorf("%s is one permission too many", name)
			}
			id, ok = name, true
		}
	}
	return id, ok
}

// checkPermission checks that the statement of a template is the one that the
// other ways to subscribe write, in each partition.
func checkPermission(t *testing.T, _ *tree.Node, name string, r *tree.Node) {
	t.Helper()
	for partition, suffix := range map[string]string{"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"} {
		d, err := subscription.ParseDestination("arn:" + partition + ":lambda:xx-west-1:111122223333:function:f")
		if err != nil {
			t.Fatal(err)
		}
		deployed := strings.NewReplacer("${AWS::Partition}", partition, "${AWS::URLSuffix}", suffix, "${AWS::Region}", d.Region, "${AWS::AccountId}", d.Account)
		value := func(property string) string {
			v := r.Key("Properties").Key(property)
			if ref := v.Key("Ref").Str(); ref != "" {
				return deployed.Replace("${" + ref + "}")
			}
			return deployed.Replace(v.Str() + v.Key("Fn::Sub").Str())
		}
		got := subscription.Permission{
			ID: subscription.PermissionID, Action: value("Action"), Principal: value("Principal"),
			SourceARN: value("SourceArn"), SourceAccount: value("SourceAccount"),
		}
		if d := cmp.Diff(d.Permission(), got); d != "" {
			t.Errorf("%s in %s (-want +got):\n%s", name, partition, d)
		}
		if forwarder := value("FunctionName"); forwarder != "${ForwarderArn}" {
			t.Errorf("%s is of %s", name, forwarder)
		}
	}
}

// maxPolicy is the size of a function's policy, in bytes.
//
// Source: AWS Lambda Developer Guide, "Lambda quotas": function resource-based
// policy.
const maxPolicy = 20 << 10

// Services share the policy of their forwarder, whose own stack puts one statement
// there. However many there are, it must not fill.
func TestServicesDoNotFillThePolicyOfTheForwarder(t *testing.T) {
	const forwarder = "arn:aws:lambda:eu-west-1:111122223333:function:sumoship-forwarder"
	statement := func(sid string) string {
		return `{"Sid":"` + sid + `","Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"lambda:InvokeFunction",` +
			`"Resource":"` + forwarder + `","Condition":{"StringEquals":{"AWS:SourceAccount":"111122223333"},` +
			`"ArnLike":{"AWS:SourceArn":"arn:aws:logs:eu-west-1:111122223333:log-group:*"}}}`
	}
	policy := []string{statement("sumoship-LogsMayInvokeForwarder-0A1B2C3D4E5F")}
	groups := 0
	for i := range 100 {
		name := fmt.Sprintf("service-%d", i)
		in := shopTask(t, service.Options{Name: name, Forwarder: forwarder})
		in.task = strings.ReplaceAll(in.task, `"shop"`, `"`+name+`"`)
		template, err := parseJSON(in.mustNew(t).CloudFormation(true))
		if err != nil {
			t.Fatal(err)
		}
		for id, r := range template.Key("Resources").Members() {
			switch r.Key("Type").Str() {
			case "AWS::Logs::LogGroup":
				groups++
			case "AWS::Lambda::Permission":
				policy = append(policy, statement(name+"-"+id+"-0A1B2C3D4E5F"))
			}
		}
	}
	size := len(`{"Version":"2012-10-17","Id":"default","Statement":[` + strings.Join(policy, ",") + `]}`)
	if groups != 100 || size > maxPolicy {
		t.Errorf("%d log groups of 100 services take %d bytes of the policy, of %d", groups, size, maxPolicy)
	}
}
