package fargate

import (
	"regexp"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// assumption is a text that assumes an instance around the container. No API
// rejects it, but it breaks on Fargate.
type assumption struct {
	rule     finding.Rule
	token    string         // searched for as it is,
	pattern  *regexp.Regexp // or, if the token is found or "", by pattern
	hostMode bool           // only with network mode host
}

var instanceMetadata = finding.Rule{
	ID: "instance-metadata", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: guideMetadata,
	Summary: "This is the address of the instance metadata, which Fargate does not have.",
	Help:    finding.Advice{"Use the task metadata endpoint at ECS_CONTAINER_METADATA_URI_V4, and a task role for credentials."},
}

var dockerBridgeAddress = finding.Rule{
	ID: "docker-bridge-address", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "This is the instance's address on the Docker bridge, where an agent may listen; Fargate has no instance.",
	Help:    finding.Advice{"Run the agent as a container of the task and reach it at 127.0.0.1."},
}

var dockerSocket = finding.Rule{
	ID: "docker-socket", Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "This is a socket of the instance, such as Docker's, which Fargate does not have.",
	Help:    finding.Advice{"Use the task metadata endpoint, or run this on EC2."},
}

var containerMetadataFile = finding.Rule{
	ID: "container-metadata-file", Severity: finding.Warning, Action: finding.Keep, Source: guideMetadata,
	Summary: "The container metadata file is written on instances only.",
	Help:    finding.Advice{"Use the task metadata endpoint at ECS_CONTAINER_METADATA_URI_V4."},
}

var linkVariables = finding.Rule{
	ID: "link-variables", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: dockerLinks,
	Summary: "Docker sets this variable for a link; on Fargate nothing does.",
	Help:    finding.Advice{"Set it in environment, or use 127.0.0.1 and the port."},
}

var localhostInHostMode = finding.Rule{
	ID: "localhost-in-host-mode", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "With network mode host this was the instance; on Fargate it is the task.",
	Help:    finding.Advice{"Make sure that what it reaches runs in the task."},
}

var networkInterface = finding.Rule{
	ID: "network-interface", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: guideFargate,
	Summary: "This is a network interface of the instance; a task on Fargate has eth0, or eth1 with platform version 1.4.0.",
	Help:    finding.Advice{"Use the task's interface, or none."},
}

var assumptions = []assumption{
	{rule: instanceMetadata, token: "169.254.169.254"},
	{rule: instanceMetadata, token: "fd00:ec2::254"},
	{rule: dockerBridgeAddress, token: "172.17.0.1"},
	{rule: dockerBridgeAddress, token: "host.docker.internal"},
	{rule: dockerSocket, token: "docker.sock"},
	{rule: dockerSocket, token: "unix:///var/run/"},
	{rule: containerMetadataFile, token: "ECS_CONTAINER_METADATA_FILE"},
	{rule: linkVariables, token: "_PORT_", pattern: regexp.MustCompile(`\b[A-Z][A-Z0-9_]*_PORT_\d+_(TCP|UDP)(_ADDR|_PORT|_PROTO)?\b`)},
	{rule: localhostInHostMode, token: "127.0.0.1", hostMode: true},
	{rule: localhostInHostMode, token: "localhost", hostMode: true},
	{rule: networkInterface, pattern: regexp.MustCompile(`\b(ens\d+|enp\d+s\d+|eth([2-9]|\d\d)|docker0|br-[0-9a-f]{12}|bond\d|wlan\d)\b`), hostMode: true},
}

// find returns the text in s that matches, "" if none does.
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

// bounded reports whether s[start:end] is a whole word, unlike 172.17.0.1 in
// 172.17.0.12.
func bounded(s string, start, end int) bool {
	word := func(b byte) bool { return inName(b) && b != '.' && b != '-' }
	return !(start > 0 && word(s[start]) && word(s[start-1])) && !(end < len(s) && word(s[end]) && word(s[end-1]))
}

// scan searches the texts of containers for assumptions. It quotes only the match:
// what surrounds it may be secret.
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
	reported := ""
	for s := range literals(n) {
		for _, a := range assumptions {
			if a.hostMode && (c.mode != "host" || c.rewritten[n]) || a.rule.ID == reported {
				continue
			}
			if token := a.find(s); token != "" {
				reported = a.rule.ID
				c.Note(a.rule, n, "").Before = finding.Quoted(token)
			}
		}
	}
}
