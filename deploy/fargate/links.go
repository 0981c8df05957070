package fargate

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// loopback is where a container reaches the others of a task with one network. It is
// not localhost, which may resolve to ::1.
const loopback = "127.0.0.1"

var linkDropped = finding.Rule{
	ID: "link-dropped", Topic: finding.Network, Severity: finding.Info, Action: finding.Drop, Source: apiContainer,
	Summary: "Fargate has no links; the containers of a task share its network and reach each other at 127.0.0.1.",
	Refusal: "Links are not supported when networkMode=awsvpc.",
}

var linkUnknown = finding.Rule{
	ID: "link-unknown", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: apiContainer,
	Summary: "A link names a container that the definition does not have.",
	Help:    finding.Advice{"Correct the name, or remove the link."},
}

var linkAliasUnused = finding.Rule{
	ID: "link-alias-unused", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: dockerLinks,
	Summary: "Nothing in the definition uses the alias of a link: it is probably built into the image, and does not resolve on Fargate.",
	Help:    finding.Advice{"Configure the address, for instance with a variable that the image reads: WORDPRESS_DB_HOST=127.0.0.1."},
}

// links replaces links by what they did: the linked container starts first, and its
// alias becomes 127.0.0.1.
//
// Source: Amazon ECS API Reference, ContainerDependency: START "emulates the
// behavior of links and volumes today".
func (c *converter) links() {
	for _, container := range c.containers {
		links := container.Get("links")
		aliases := c.aliases(links)
		c.extraHosts(container, aliases)
		if links.Len() == 0 {
			continue
		}
		var names []string
		for _, l := range links.Elements() {
			names = append(names, l.Source())
		}
		if c.unknown(links) {
			names = []string{links.Source()}
		}
		c.drop(linkDropped, links, "Fargate has no links; the containers of a task reach each other at %s: %s", loopback, strings.Join(names, ", "))
		for _, l := range aliases {
			if l.to == "" {
				continue
			}
			if c.byName[l.to] == nil && !c.containersUnknown {
				c.Fail(linkUnknown, l.node, "there is no container %q in this task", l.to)
				continue
			}
			c.startFirst(container, l)
			if !c.readdress(container, l) {
				c.Note(linkAliasUnused, l.node,
					"nothing in the definition uses %q, so it is probably built into the image or in a secret: make it configurable, and set it to %s", l.alias, loopback)
			}
		}
	}
}

// link is one link of a container.
type link struct {
	to    string // name of the linked container
	alias string // its host name
	node  *tree.Node
}

// aliases reads links, each name or name:alias.
func (c *converter) aliases(links *tree.Node) (all []link) {
	for _, n := range links.Elements() {
		if s, ok := n.Text(); ok && s != "" {
			to, alias, found := strings.Cut(s, ":")
			if !found {
				alias = to
			}
			if alias == "" {
				c.Fail(valueInvalid, n, "invalid link %q: want name or name:alias", s)
				continue
			}
			all = append(all, link{to, alias, n})
		}
	}
	return all
}

var extraHostLinked = finding.Rule{
	ID: "extra-host-linked", Topic: finding.Network, Severity: finding.Info, Action: finding.Drop, Source: guideFargate,
	Summary: "The entry maps a linked container to 127.0.0.1, as the rewritten link does.",
	Refusal: "Extra hosts are not supported on container when networkMode=awsvpc",
}

var extraHosts = finding.Rule{
	ID: "extra-hosts", Topic: finding.Network, Severity: finding.Error, Action: finding.Refuse, Source: guideFargate,
	Summary: "Fargate does not accept extraHosts, so the name would not resolve.",
	Help:    finding.Advice{"Put the name into a Route 53 private hosted zone, or write /etc/hosts in the entry point."},
	Allow:   allowDropped,
	Refusal: "Extra hosts are not supported on container when networkMode=awsvpc",
}

// extraHosts drops entries for linked containers and refuses others.
func (c *converter) extraHosts(container *tree.Node, aliases []link) {
	for _, n := range c.items(container.Get("extraHosts")) {
		host, ip := c.text(n.Get("hostname")), c.text(n.Get("ipAddress"))
		linked := false
		for _, l := range aliases {
			linked = linked || ip == loopback && l.alias == host
		}
		if linked {
			c.drop(extraHostLinked, n, "")
		} else {
			c.refuseOrDrop(extraHosts, n, "Fargate does not accept extraHosts, so the name %q would not resolve", host)
		}
	}
}

var linkDependsOn = finding.Rule{
	ID: "link-depends-on", Topic: finding.Network, Severity: finding.Info, Action: finding.Set, Source: apiDependency,
	Summary: "A link also made the container wait until the other had started; dependsOn START does the same.",
}

// startFirst makes a container wait until the one that it was linked to has started.
func (c *converter) startFirst(container *tree.Node, l link) {
	dependsOn := container.Get("dependsOn")
	for _, d := range dependsOn.Elements() {
		if d.Get("containerName").Identity() == l.to {
			return
		}
	}
	start := tree.NewObject(
		tree.Member{Name: "containerName", Value: tree.NewString(l.to)},
		tree.Member{Name: "condition", Value: tree.NewString("START")})
	switch {
	case dependsOn == nil:
		c.set(linkDependsOn, container, "dependsOn", tree.NewArray(start), "")
	case dependsOn.Kind() == tree.Array:
		c.put(linkDependsOn, dependsOn, start, "")
	}
}

// readdress replaces the alias of a link by 127.0.0.1 where a container uses it as a
// host. It reports whether it found the alias at all.
func (c *converter) readdress(container *tree.Node, l link) (found bool) {
	variable := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(l.alias)) + "_PORT"
	for _, e := range container.Get("environment").Elements() {
		name, _ := e.Get("name").Text()
		if c.alias(e.Get("value"), l, name, c.RewriteLinks != "none") {
			found = true
		}
	}
	lists := []*tree.Node{container.Get("entryPoint"), container.Get("command"), container.Get("healthCheck").Get("command")}
	for _, list := range lists {
		for _, n := range list.Elements() {
			if c.alias(n, l, "", c.RewriteLinks == "all") {
				found = true
			}
			if s, _ := n.Text(); strings.Contains(s, variable) {
				found = true // scan warns of it
			}
		}
	}
	return found
}

var linkAliasKept = finding.Rule{
	ID: "link-alias-kept", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: dockerLinks,
	Summary: "The alias of a link is used here and does not resolve on Fargate.",
	Help:    finding.Advice{"Replace it with 127.0.0.1; --rewrite-links all does so in commands as well."},
}

var linkAliasRewritten = finding.Rule{
	ID: "link-alias-rewritten", Topic: finding.Network, Severity: finding.Info, Action: finding.Rewrite, Source: guideFargate,
	Summary: "The alias of a link was used as a host; the linked container is now at 127.0.0.1.",
}

// alias rewrites an alias in one text, or warns of it.
func (c *converter) alias(n *tree.Node, l link, variable string, rewrite bool) (found bool) {
	text, ok := n.Text()
	if !ok {
		for s := range literals(n) {
			if len(hosts(s, l.alias, variable)) > 0 {
				c.Note(linkAliasKept, n, "%q occurs in a value that is assembled at deployment", l.alias).Help = finding.Advice{"Replace it with " + loopback + " there."}
				return true
			}
		}
		return false
	}
	matches := hosts(text, l.alias, variable)
	if len(matches) == 0 {
		return false
	}
	in := "here"
	if variable != "" {
		in = "in variable " + variable
	}
	var b strings.Builder
	var before, after []string
	last := 0
	for _, m := range matches {
		if !m.host {
			f := c.Note(linkAliasKept, n, "%q %s may be the address of the linked container", l.alias, in)
			f.Before, f.Help = finding.Quoted(m.token(text)), finding.Advice{"If it is, replace it with " + loopback + "."}
			continue
		}
		if !rewrite {
			c.Note(linkAliasKept, n, "%q %s is the linked container %q", m.token(text), in, l.to).Before = finding.Quoted(m.token(text))
			continue
		}
		b.WriteString(text[last:m.start] + loopback)
		last = m.start + len(l.alias)
		before = append(before, m.token(text))
		after = append(after, loopback+m.token(text)[len(l.alias):])
	}
	if last > 0 {
		b.WriteString(text[last:])
		f := c.rewrite(linkAliasRewritten, n, tree.NewString(b.String()), "%q %s was the linked container %q, which is now at %s", l.alias, in, l.to, loopback)
		f.Before, f.After = finding.Quoted(strings.Join(before, " ")), finding.Quoted(strings.Join(after, " ")) // the rest may be secret
	}
	return true
}

// match is an alias in a text: [start,end), with its port if any.
type match struct {
	start, end int
	host       bool // it is where a host belongs
}

func (m match) token(s string) string { return s[m.start:m.end] }

var (
	deferred = regexp.MustCompile(`\$\{[^}]*\}|\{\{.*?\}\}`)
	portOf   = regexp.MustCompile(`^:\d{2,5}`)
	// noAddress matches variables that do not hold an address, though their value may
	// equal a host name: DB_CONNECTION=mysql.
	noAddress = regexp.MustCompile(`(?i)(^|_)(TYPE|ENGINE|DRIVER|CONNECTION|DIALECT|ADAPTER|NAME|DATABASE|DB|USER|USERNAME|LOGIN|PASSWORD|PASS|SECRET|TOKEN|KEY|SCHEMA|PROFILE|PROTOCOL|SCHEME|KIND|MODE|STORE|ENV|ENVIRONMENT|ROLE|SERVICE_NAME|VERSION|TAG)$`)
)

// hosts returns where alias occurs in s as a whole name, and whether as a host. It
// skips what is filled in at deployment, ${…} and {{…}}.
func hosts(s, alias, variable string) (all []match) {
	if !strings.Contains(s, alias) {
		return nil
	}
	var masked [][]int
	if strings.Contains(s, "{") {
		masked = deferred.FindAllStringIndex(s, -1)
	}
	for from := 0; ; {
		i := strings.Index(s[from:], alias)
		if i < 0 {
			return all
		}
		start := from + i
		end := start + len(alias)
		from = start + 1
		if start > 0 && inName(s[start-1]) || end < len(s) && inName(s[end]) {
			continue
		}
		if slices.ContainsFunc(masked, func(m []int) bool { return start < m[1] && end > m[0] }) {
			continue
		}
		if m, ok := matchAt(s, start, end, variable); ok {
			all = append(all, m)
			from = m.end
		}
	}
}

// matchAt returns the match of the alias s[start:end], false if it is the scheme of a
// URL. The alias is a host if it is the whole value (unless noAddress matches the
// variable), after :// or @, or before a port, but not as the user of a URL.
func matchAt(s string, start, end int, variable string) (m match, ok bool) {
	m = match{start: start, end: end}
	before, after := s[:start], s[end:]
	if user(after) {
		return m, true // scheme://alias:password@host
	}
	if port := portOf.FindString(after); port != "" && (len(after) == len(port) || !inName(after[len(port)]) && after[len(port)] != '@') {
		m.end += len(port)
		m.host = true
	}
	if strings.HasSuffix(before, "://") || strings.HasSuffix(before, "@") {
		m.host = true
	}
	if start == 0 && end == len(s) {
		m.host = !noAddress.MatchString(variable)
	}
	return m, m.host || !strings.HasPrefix(after, "://")
}

// user reports whether a word followed by after is the user of a URL.
func user(after string) bool {
	if i := strings.IndexAny(after, "/?#, \t\n\"'"); i >= 0 {
		after = after[:i]
	}
	return strings.Contains(after, "@")
}

// inName reports whether a host name can contain the byte.
func inName(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '.' || b == '-'
}

// literals yields the strings in a value, also those within intrinsic functions.
func literals(n *tree.Node) func(yield func(string) bool) {
	return func(yield func(string) bool) { eachLiteral(n, yield) }
}

func eachLiteral(n *tree.Node, yield func(string) bool) bool {
	if s, ok := n.Text(); ok {
		return yield(s)
	}
	for _, v := range n.Members() {
		if !eachLiteral(v, yield) {
			return false
		}
	}
	for _, v := range n.Elements() {
		if !eachLiteral(v, yield) {
			return false
		}
	}
	return true
}
