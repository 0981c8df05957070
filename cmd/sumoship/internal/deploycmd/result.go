package deploycmd

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
)

// result is what a verb did, in JSON.
type result struct {
	Stack   string            `json:"stack"`
	Region  string            `json:"region"`
	Account string            `json:"account"`
	Action  string            `json:"action"`            // created, updated, unchanged, rolled back, deleted
	DryRun  bool              `json:"dryRun,omitempty"`  // the action was not taken
	Before  *deployment       `json:"before,omitempty"`  // what the stack had, if there was one
	After   *deployment       `json:"after,omitempty"`   // what it has then
	Changes []planned         `json:"changes"`           // of resources; of a deletion, those that hold log events
	Queues  []depthOf         `json:"queues,omitempty"`  // of a stack that is deleted
	Outputs map[string]string `json:"outputs,omitempty"` // of the stack, but for those on the endpoint
	Canary  *doctor.Canary    `json:"canary,omitempty"`  // the log event that was sent afterwards
}

// deployment says which release a stack has.
type deployment struct {
	Version   string `json:"version,omitempty"`
	Functions string `json:"functions,omitempty"` // prefix of the keys of their code
}

// depthOf is how many messages a queue has, about.
type depthOf struct {
	Queue    string `json:"queue"` // URL
	Messages int    `json:"messages"`
}

// Actions of a result.
const (
	created    = "created"
	updated    = "updated"
	unchanged  = "unchanged"
	rolledBack = "rolled back"
	deleted    = "deleted"
)

// Outputs is what a verb writes as JSON.
func (t *target) Outputs() []any { return []any{result{}} }

// report runs a verb. With --json, what the verb says on the way goes to
// standard error, and the result is written once there is an action: also if the canary
// then does not arrive.
func (t *target) report(s cli.Streams, run func(s cli.Streams, r *result) error) error {
	r, said := &result{Changes: []planned{}}, s
	if t.JSON {
		said.Out = s.Err
	}
	err := run(said, r)
	if !t.JSON || r.Action == "" {
		return err
	}
	if failed := cli.WriteJSON(s.Out, r); err == nil {
		err = failed
	}
	return err
}

// deploymentOf returns what a stack has, nil if there is no stack.
func deploymentOf(s *types.Stack) *deployment {
	if s == nil {
		return nil
	}
	return &deployment{output(s, "Version"), parameter(s, codePrefix)}
}

// outputs returns those of a stack, but for those on the endpoint.
func outputs(s *types.Stack) map[string]string {
	all := map[string]string{}
	for _, o := range s.Outputs {
		if name := aws.ToString(o.OutputKey); !strings.Contains(name, "Endpoint") {
			all[name] = aws.ToString(o.OutputValue)
		}
	}
	return all
}
