package finding

import (
	"strings"

	"sumoship/deploy/tree"
)

// secret names the members with free-form values, any of which may be a password.
var secret = map[string]bool{
	"environment": true, "command": true, "entrypoint": true,
	"options": true, "driveropts": true, "labels": true, "dockerlabels": true,
}

// Shown returns a node as JSON for a finding, with the values of environment
// variables, commands, labels and options masked.
func Shown(n *tree.Node) string {
	if n.Kind() == tree.Absent {
		return ""
	}
	hidden := false
	for p := n; p != nil; p = p.Parent() {
		hidden = hidden || secret[strings.ToLower(p.Name())]
	}
	if !hidden && !holdsSecrets(n) {
		return n.Source()
	}
	var b strings.Builder
	show(&b, n, hidden)
	return b.String()
}

func holdsSecrets(n *tree.Node) bool {
	for name, v := range n.Members() {
		if secret[strings.ToLower(name)] || holdsSecrets(v) {
			return true
		}
	}
	for _, v := range n.Elements() {
		if holdsSecrets(v) {
			return true
		}
	}
	return false
}

func show(b *strings.Builder, n *tree.Node, hidden bool) {
	switch n.Kind() {
	case tree.Object:
		b.WriteByte('{')
		first := true
		for name, v := range n.Members() {
			if !first {
				b.WriteByte(',')
			}
			first = false
			b.WriteString(Quoted(name) + ":")
			show(b, v, hidden && !strings.EqualFold(name, "name") || secret[strings.ToLower(name)])
		}
		b.WriteByte('}')
	case tree.Array:
		b.WriteByte('[')
		for i, v := range n.Elements() {
			if i > 0 {
				b.WriteByte(',')
			}
			show(b, v, hidden)
		}
		b.WriteByte(']')
	default:
		if hidden {
			b.WriteString(`"…"`)
		} else {
			b.WriteString(n.Source())
		}
	}
}

// Quoted returns s as a JSON string.
func Quoted(s string) string { return tree.NewString(s).Source() }
