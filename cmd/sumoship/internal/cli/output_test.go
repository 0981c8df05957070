package cli

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteTable(t *testing.T) {
	var b bytes.Buffer
	err := WriteTable(&b, Row{"LOG GROUP", "EVENTS", "WHY"}, []Row{{"/ecs/a", 1, "why"}, {"/ecs/größer", 200}})
	want := "LOG GROUP    EVENTS  WHY\n/ecs/a            1  why\n/ecs/größer     200\n"
	if diff := cmp.Diff(want, b.String()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
