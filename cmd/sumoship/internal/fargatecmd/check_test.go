package fargatecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
)

// check gives the same report whatever the order in which workers finish, and
// stops when it is interrupted.
func TestCheckIsDeterministicAndCanBeInterrupted(t *testing.T) {
	dir := manyDefinitions(t, 60)
	_, first, _ := command(t, nil, "fargate", "check", dir, "--findings", "json")
	var report struct {
		Inputs  []struct{ Name string }
		Summary struct{ Definitions, Skipped int }
	}
	if err := json.Unmarshal([]byte(first), &report); err != nil || report.Summary.Definitions != 60 || report.Summary.Skipped != 1 || len(report.Inputs) != 60 {
		t.Fatalf("%v: %+v", err, report.Summary)
	}
	for i := 1; i < len(report.Inputs); i++ {
		if report.Inputs[i-1].Name >= report.Inputs[i].Name {
			t.Errorf("%s comes before %s", report.Inputs[i-1].Name, report.Inputs[i].Name)
		}
	}
	for range 5 {
		if _, again, _ := command(t, nil, "fargate", "check", dir, "--findings", "json"); again != first {
			t.Fatalf("another report (-want +got):\n%s", cmp.Diff(first, again))
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Ctrl-C"))
	var out, errs bytes.Buffer
	status := run(ctx, []string{"fargate", "check", dir}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	if status != 130 || out.Len() > 0 || errs.String() != "sumoship: interrupted\n" {
		t.Errorf("status %d\n%s%s", status, out.String(), errs.String())
	}
}

// 1,000 definitions are checked in one run.
func BenchmarkCheck(b *testing.B) {
	dir := manyDefinitions(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		var out, errs bytes.Buffer
		status := run(b.Context(), []string{"fargate", "check", dir, "--region", "eu-west-1"},
			cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
		if status != cli.ExitFound || !strings.Contains(out.String(), "1000 definitions: ") {
			b.Fatalf("status %d\n%s", status, errs.String())
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "definitions/s")
}
