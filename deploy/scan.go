package deploy

import (
	"regexp"
	"strings"

	"sumoship/deploy/tree"
)

// assumption is a text that tells of an instance around the container. No API
// rejects it, and it breaks on Fargate.
type assumption struct {
	id       string
	token    string         // looked for as it is,
	pattern  *regexp.Regexp // or by a pattern, where the token is found
	hostMode bool           // only with network mode host
}

var assumptions = []assumption{
	{id: "instance-metadata", token: "169.254.169.254"},
	{id: "instance-metadata", token: "fd00:ec2::254"},
	{id: "docker-bridge-address", token: "172.17.0.1"},
	{id: "docker-bridge-address", token: "host.docker.internal"},
	{id: "docker-socket", token: "docker.sock"},
	{id: "docker-socket", token: "unix:///var/run/"},
	{id: "container-metadata-file", token: "ECS_CONTAINER_METADATA_FILE"},
	{id: "link-variables", token: "_PORT_", pattern: regexp.MustCompile(`\b[A-Z][A-Z0-9_]*_PORT_\d+_(TCP|UDP)(_ADDR|_PORT|_PROTO)?\b`)},
	{id: "localhost-in-host-mode", token: "127.0.0.1", hostMode: true},
	{id: "localhost-in-host-mode", token: "localhost", hostMode: true},
	{id: "network-interface", pattern: regexp.MustCompile(`\b(ens\d+|enp\d+s\d+|eth([2-9]|\d\d)|docker0|br-[0-9a-f]{12}|bond\d|wlan\d)\b`), hostMode: true},
}

// find returns what of an assumption is in s.
func (a assumption) find(s string) string {
	if a.token != "" && !strings.Contains(s, a.token) {
		return ""
	}
	if a.pattern != nil {
		return a.pattern.FindString(s)
	}
	if i := strings.Index(s, a.token); bounded(s, i, i+len(a.token)) {
		return a.token
	}
	return ""
}

// bounded reports whether no digit or letter makes the token another word, such
// as 172.17.0.1 in 172.17.0.12.
func bounded(s string, start, end int) bool {
	word := func(b byte) bool { return inName(b) && b != '.' && b != '-' }
	return !(start > 0 && word(s[start]) && word(s[start-1])) && !(end < len(s) && word(s[end]) && word(s[end-1]))
}

// scan looks for assumptions in the texts of containers. It quotes what it finds
// and nothing around it: any of them may be a secret.
func (c *converter) scan() {
	for _, container := range c.containers {
		for _, e := range container.Get("environment").Elements() {
			c.scanText(e.Get("name"))
			c.scanText(e.Get("value"))
		}
		for _, list := range []*tree.Node{container.Get("entryPoint"), container.Get("command"), container.Get("healthCheck").Get("command")} {
			for _, n := range list.Elements() {
				c.scanText(n)
			}
		}
		for _, n := range container.Get("logConfiguration").Get("options").Members() {
			c.scanText(n)
		}
	}
}

func (c *converter) scanText(n *tree.Node) {
	said := ""
	for s := range literals(n) {
		for _, a := range assumptions {
			if a.hostMode && c.mode != "host" || a.id == said {
				continue
			}
			if token := a.find(s); token != "" {
				said = a.id
				c.note(a.id, n, "").Before = quoted(token)
			}
		}
	}
}
