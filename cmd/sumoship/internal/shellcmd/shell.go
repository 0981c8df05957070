// Package shellcmd is sumoship completion and man: what a shell and its reader learn of
// the command. Both are made from the tree of verbs itself.
package shellcmd

import (
	"fmt"

	"sumoship/cmd/sumoship/internal/cli"
)

// Completion is the verb that writes what a shell needs for completion.
type Completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown by --help.
func (c *Completion) Help() string {
	return `  source <(sumoship completion bash)
  source <(sumoship completion zsh)
  sumoship completion fish | source

Put the line into the file that your shell reads at its start.`
}

// scripts ask the command itself, which the variables COMP_LINE and COMP_POINT tell to
// complete.
var scripts = map[string]string{
	"bash": "complete -C sumoship sumoship\n",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit\ncomplete -C sumoship sumoship\n",
	"fish": `function __complete_sumoship
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct); and set COMP_LINE "$COMP_LINE "
    sumoship
end
complete -f -c sumoship -a "(__complete_sumoship)"
`,
}

// Run writes the script.
func (c *Completion) Run(s cli.Streams) error {
	_, err := fmt.Fprint(cli.Raw(s.Out), scripts[c.Shell])
	return err
}
