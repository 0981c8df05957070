package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sumoship/cmd/sumoship/internal/cli"
)

// kinds is a verb with a flag of each kind, which shows one of them.
type kinds struct {
	Flag    string        `arg:""`
	Text    string        `default:"text"`
	Switch  bool          ``
	Opposed bool          `default:"true" negatable:""`
	Whole   int           `default:"1"`
	Part    float64       `default:"0.5"`
	Time    time.Duration `default:"1s"`
	List    []string      `default:"a,b"`
	Choice  string        `enum:"one,two" default:"one"`
	Choices []string      `enum:"one,two" default:"one,two"`
	File    string        `type:"existingfile"`
	Perhaps *int          ``
}

func (k *kinds) Run(s cli.Streams) error {
	_, err := fmt.Fprint(s.Out, map[string]any{"text": k.Text, "switch": k.Switch, "opposed": k.Opposed, "whole": k.Whole, "part": k.Part, "time": k.Time,
		"list": k.List, "choice": k.Choice, "choices": k.Choices, "file": k.File, "perhaps": k.Perhaps}[k.Flag])
	return err
}

// A variable that is set but empty is one that is not set, for flags of every kind: the
// file decides, or else the default.
func TestVariablesOfFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		flag, variable, file, want string
	}{
		{"text", "new", "old", "new"},
		{"text", "", "old", "old"},
		{"text", "", "", "text"},
		{"text", " ", "old", " "},
		{"switch", "true", "false", "true"},
		{"switch", "false", "true", "false"},
		{"switch", "", "true", "true"},
		{"switch", "", "", "false"},
		{"opposed", "false", "", "false"},
		{"opposed", "", "false", "false"},
		{"opposed", "", "", "true"},
		{"whole", "7", "3", "7"},
		{"whole", "0", "3", "0"},
		{"whole", "", "3", "3"},
		{"whole", "", "", "1"},
		{"part", "", "0.25", "0.25"},
		{"part", "", "", "0.5"},
		{"time", "", "2s", "2s"},
		{"time", "", "", "1s"},
		{"list", "x,y", "[z]", "[x y]"},
		{"list", "", "[z]", "[z]"},
		{"list", "", "", "[a b]"},
		{"choice", "two", "one", "two"},
		{"choice", "", "two", "two"},
		{"choice", "", "", "one"},
		{"choices", "", "[two]", "[two]"},
		{"choices", "", "", "[one two]"},
		{"file", "", "", ""},
		{"perhaps", "", "", "<nil>"},
	} {
		t.Run(fmt.Sprintf("%s %q %q", c.flag, c.variable, c.file), func(t *testing.T) {
			text := ""
			if c.file != "" {
				text = fmt.Sprintf("show:\n  %s: %s\n", c.flag, c.file)
			}
			if err := os.WriteFile("sumoship.yaml", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("SUMOSHIP_"+strings.ToUpper(c.flag), c.variable)
			var out, errs bytes.Buffer
			tree := new(struct {
				Show kinds `cmd:""`
			})
			status := cli.Run(t.Context(), tree, []string{"show", c.flag}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: os.Getenv})
			if status != cli.ExitOK || out.String() != c.want {
				t.Errorf("status %d, %q, want %q\n%s", status, out.String(), c.want, errs.String())
			}
		})
	}
}
