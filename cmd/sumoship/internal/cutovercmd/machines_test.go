package cutovercmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/tree"
)

// A state machine starts the Fargate version where it started the family, also inside
// of Parallel and Map; what else it has stays, byte for byte.
func TestStateMachines(t *testing.T) {
	const src = `{
  "StartAt": "Both",
  "States": {
    "Both": {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {
      "A": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
        "Parameters": {"Cluster": "prod", "LaunchType": "EC2", "TaskDefinition": "nightly:3", "PlacementStrategy": [{"Type": "binpack"}]}}}}], "Next": "B"},
    "B": {"Type": "Task",   "Resource": "arn:aws:states:::ecs:runTask", "Parameters": {"TaskDefinition": "nightly-report:1"}, "Next": "C"},
    "C": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"TaskDefinition": "nightly:3"}, "End": true}
  }
}`
	n, err := tree.ParseJSON([]byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &targetsCmd{Family: "nightly", To: "arn:aws:ecs:eu-west-1:111122223333:task-definition/nightly-fargate:1",
		Subnets: []string{"subnet-1"}, SecurityGroup: []string{"sg-1"}}
	states := runTasks(n, "nightly")
	if len(states) != 1 {
		t.Fatalf("%d states", len(states))
	}
	c.edit(states[0])
	want := strings.Replace(src, `{"Cluster": "prod", "LaunchType": "EC2", "TaskDefinition": "nightly:3", "PlacementStrategy": [{"Type": "binpack"}]}`,
		`{"Cluster": "prod", "LaunchType": "FARGATE", "TaskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/nightly-fargate:1", "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "DISABLED"}}}`, 1)
	if diff := cmp.Diff(want, string(n.Bytes())); diff != "" {
		t.Errorf("definition (-want +got):\n%s", diff)
	}
	if len(runTasks(n, "nightly")) != 0 {
		t.Error("a second run would change it again")
	}
}
