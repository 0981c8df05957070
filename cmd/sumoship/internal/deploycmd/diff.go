package deploycmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aymanbagabas/go-udiff"

	"sumoship/cmd/sumoship/internal/cli"
)

// writeDiff writes how the template of a change differs from that of the stack.
func (c *cloud) writeDiff(ctx context.Context, w io.Writer, x change) error {
	out, err := c.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &x.name, TemplateStage: types.TemplateStageProcessed})
	if err != nil {
		return cli.Fail(cli.ExitAWS, fmt.Errorf("get the template of stack %s: %w", x.name, cli.Plain(err)))
	}
	before, err := indented([]byte(aws.ToString(out.TemplateBody)))
	if err != nil {
		return fmt.Errorf("the template of stack %s: %w", x.name, err)
	}
	after, err := indented(x.body)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, udiff.Unified("stack "+x.name, "this release", before, after))
	return err
}

// indented returns JSON in one form: sorted and indented.
func indented(body []byte) (string, error) {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return "", err
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return buf.String(), nil
}
