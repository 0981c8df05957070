package fargatecmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/deploy/eni"
)

// A cluster of moto's: three types, one instance with a trunk, a type that only
// EC2 knows.
func TestENIOfAClusterOnMoto(t *testing.T) {
	clitest.StartMoto(t)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	computers, containers := ec2.NewFromConfig(cfg), ecs.NewFromConfig(cfg)
	if _, err := containers.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	var trunked string
	for _, name := range []string{"c5.large", "c5.large", "t3.large", "hpc6a.48xlarge"} {
		run, err := computers.RunInstances(t.Context(), &ec2.RunInstancesInput{
			ImageId:      aws.String("ami-760aaa0f"), // Amazon Linux, of moto's
			InstanceType: ec2types.InstanceType(name), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		registered, err := containers.RegisterContainerInstance(t.Context(), &ecs.RegisterContainerInstanceInput{Cluster: aws.String("shop"),
			InstanceIdentityDocument: aws.String(fmt.Sprintf(`{"instanceId":%q}`, *run.Instances[0].InstanceId))})
		if err != nil {
			t.Fatal(err)
		}
		if name == "c5.large" {
			trunked = *registered.ContainerInstance.ContainerInstanceArn
		}
	}
	if _, err := containers.PutAttributes(t.Context(), &ecs.PutAttributesInput{Cluster: aws.String("shop"), Attributes: []ecstypes.Attribute{{
		Name: aws.String("ecs.awsvpc-trunk-id"), Value: aws.String("trunk"),
		TargetType: ecstypes.TargetTypeContainerInstance, TargetId: aws.String(trunked[strings.LastIndex(trunked, "/")+1:]),
	}}}); err != nil {
		t.Fatal(err)
	}

	status, out, errs := command(t, nil, "fargate", "eni", "--cluster", "shop", "--tasks", "20")
	if status != cli.ExitFound || errs != "sumoship: cluster shop holds 15 awsvpc tasks, 5 too few for 20\n" {
		t.Errorf("status %d: %s", status, errs)
	}
	want := `INSTANCE TYPE   TASKS  WITH TRUNKING  INSTANCES FOR 20  WITH TRUNKING
c5.large        2      10             10                2
hpc6a.48xlarge  1      ?              20                ?
t3.large        2      no             10                10
Fargate         any    any            none              none

cluster shop

INSTANCE TYPE   INSTANCES  WITH A TRUNK  TASKS  ALL WITH TRUNKS
c5.large                2             1     12               20
hpc6a.48xlarge          1             0      1                1
t3.large                1             0      2                2
in all                  4             1     15               23
`
	if !strings.HasPrefix(out, want) || !strings.Contains(out, "hpc6a.48xlarge: not in the table of ") {
		t.Errorf("differs (-want +got):\n%s", cmp.Diff(want, out))
	}
	status, out, errs = command(t, nil, "fargate", "eni", "--cluster", "shop", "--tasks", "20", "--trunking")
	if status != cli.ExitOK || errs != "" || !strings.Contains(out, "--attribute-name ecs.awsvpc-trunk-id --cluster shop\n") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}

	// EC2 is asked about a name, too, and does not know all.
	status, out, errs = command(t, nil, "fargate", "eni", "--instance-type", "hpc6a.48xlarge")
	if status != cli.ExitOK || errs != "" || !strings.Contains(out, "hpc6a.48xlarge  1      ?\n") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	status, out, errs = command(t, nil, "fargate", "eni", "--instance-type", "hpc6a.48xlarge,c5.larg")
	if status != cli.ExitUsage || out != "" || !strings.Contains(errs, `"c5.larg" is not in the table`) ||
		strings.Contains(errs, "hpc6a") || !strings.HasSuffix(errs, "\nEC2 does not know it in this Region either\n") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}

// fakeCluster has what moto does not: pages, failures, Windows, instances from
// elsewhere, refusals. It refuses every call of EC2.
type fakeCluster struct {
	instances []ecstypes.ContainerInstance
	gone      []string // ARNs that are listed, but not described
	refuse    string   // with this error code
	listed    []string // the status that each list asked for
}

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if action == "" { // EC2
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>`)
		return
	}
	if f.refuse != "" {
		w.Header().Set("X-Amzn-Errortype", f.refuse)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, f.refuse)
		return
	}
	var in struct {
		NextToken, Status  string
		ContainerInstances []string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		panic(err)
	}
	arns := slices.Clone(f.gone)
	for _, i := range f.instances {
		arns = append(arns, *i.ContainerInstanceArn)
	}
	const size = 3
	switch action {
	case "ListContainerInstances":
		f.listed = append(f.listed, in.Status)
		var from int
		fmt.Sscan(in.NextToken, &from)
		answer := map[string]any{"containerInstanceArns": arns[from:min(from+size, len(arns))]}
		if from+size < len(arns) {
			answer["nextToken"] = fmt.Sprint(from + size)
		}
		json.NewEncoder(w).Encode(answer)
	case "DescribeContainerInstances":
		var found, failures []any
		for _, arn := range in.ContainerInstances {
			i := slices.IndexFunc(f.instances, func(i ecstypes.ContainerInstance) bool { return *i.ContainerInstanceArn == arn })
			if i < 0 {
				failures = append(failures, map[string]string{"arn": arn, "reason": "MISSING"})
				continue
			}
			var attributes []map[string]string
			for _, a := range f.instances[i].Attributes {
				attributes = append(attributes, map[string]string{"name": *a.Name, "value": *a.Value})
			}
			found = append(found, map[string]any{"containerInstanceArn": arn, "attributes": attributes})
		}
		json.NewEncoder(w).Encode(map[string]any{"containerInstances": found, "failures": failures})
	}
}

func (f *fakeCluster) add(n int, attributes ...string) {
	for range n {
		i := ecstypes.ContainerInstance{ContainerInstanceArn: aws.String(fmt.Sprint("arn:", len(f.instances)))}
		for pair := range slices.Chunk(attributes, 2) {
			i.Attributes = append(i.Attributes, ecstypes.Attribute{Name: &pair[0], Value: &pair[1]})
		}
		f.instances = append(f.instances, i)
	}
}

func TestENIOfAMixedCluster(t *testing.T) {
	f := &fakeCluster{gone: []string{"arn:gone"}}
	f.add(2, "ecs.instance-type", "m5.large", "ecs.os-type", "windows")
	f.add(4, "ecs.instance-type", "m5.large", "ecs.os-type", "linux")
	f.add(3, "ecs.instance-type", "m5.large", "ecs.os-type", "linux", "ecs.awsvpc-trunk-id", "x")
	f.add(1, "ecs.instance-type", "x9.huge", "ecs.os-type", "linux")
	f.add(2, "ecs.os-type", "linux")
	api := httptest.NewServer(f)
	defer api.Close()
	clitest.SetAWS(t, api.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")

	status, out, errs := command(t, nil, "fargate", "eni", "--cluster", "shop", "--instance-type", "c5.large", "--tasks", "42", "--json")
	var got eni.Report
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != cli.ExitOK || errs != "" {
		t.Fatalf("status %d: %v %s%s", status, err, out, errs)
	}
	fits := true
	want := &eni.ClusterReport{Name: "shop", Tasks: 42, Trunked: 74, External: 2, Fits: &fits, Groups: []eni.GroupReport{
		{Type: "m5.large", Instances: 7, Trunks: 3, Tasks: 38, Trunked: 70},
		{Type: "m5.large", Windows: true, Instances: 2, Tasks: 4, Trunked: 4},
		{Type: "x9.huge", Instances: 1},
	}}
	if diff := cmp.Diff(want, got.Cluster); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
	names := []string{}
	for _, d := range got.Types {
		names = append(names, d.Type)
	}
	if diff := cmp.Diff([]string{"c5.large", "m5.large", "x9.huge"}, names); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
	if note := got.Types[2].Note; !strings.Contains(note, "counted as 0") || !strings.Contains(note, "UnauthorizedOperation") {
		t.Errorf("x9.huge: %s", note)
	}
	if diff := cmp.Diff([]string{"ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE"}, f.listed); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}

	status, out, errs = command(t, nil, "fargate", "eni", "--cluster", "shop", "--tasks", "43")
	if status != cli.ExitFound || !strings.Contains(errs, "cluster shop holds 42 awsvpc tasks, 1 too few for 43") ||
		!strings.Contains(out, "m5.large (Windows)          2 ") || !strings.Contains(out, "Not counted: 2 instances outside of EC2") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	if status, out, errs := command(t, nil, "fargate", "eni", "--instance-type", "x9.huge"); status != cli.ExitAWS || out != "" ||
		!strings.Contains(errs, `"x9.huge" is not in the table`) || !strings.Contains(errs, "EC2 could not be asked: ") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}

	f.instances, f.gone = nil, nil
	if status, out, errs := command(t, nil, "fargate", "eni", "--cluster", "empty", "--json"); status != cli.ExitOK ||
		!strings.Contains(out, `"types":[],"cluster":{"name":"empty","instances":[],"tasks":0,`) {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	f.refuse = "ClusterNotFoundException"
	if status, out, errs := command(t, nil, "fargate", "eni", "--cluster", "nowhere"); status != cli.ExitAWS || out != "" ||
		!strings.Contains(errs, "cluster nowhere: ") || !strings.Contains(errs, "ClusterNotFoundException") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}
