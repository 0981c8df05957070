package fargate

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
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
			c.startFirst(container, links, l)
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
	c.empty(container.Get("extraHosts"))
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
	ID: "link-depends-on", Usual: true, Topic: finding.Network, Severity: finding.Info, Action: finding.Set, Source: apiDependency,
	Summary: "A link also made the container wait until the other had started; dependsOn START does the same.",
}

// startFirst makes a container wait until the one that it was linked to has started.
func (c *converter) startFirst(container, links *tree.Node, l link) {
	dependsOn := container.Get("dependsOn")
	for _, d := range dependsOn.Elements() {
		if d.Get("containerName").Identity() == l.to {
			return
		}
	}
	start := tree.NewObject(
		tree.Member{Name: "containerName", Value: tree.NewString(l.to)},
		tree.Member{Name: "condition", Value: tree.NewString("START")})
	under := c.onlyWhere(container, links, c.byName[l.to])
	switch {
	case dependsOn == nil:
		c.set(linkDependsOn, container, "dependsOn", under(tree.NewArray(start)), "")
	case dependsOn.Kind() == tree.Array:
		c.put(linkDependsOn, dependsOn, under(start), "")
	}
}

// onlyWhere returns what puts a value under the conditions of others, but for those
// that its owner is under anyway.
func (c *converter) onlyWhere(owner *tree.Node, others ...*tree.Node) func(*tree.Node) *tree.Node {
	type branch struct {
		condition string
		holds     bool
	}
	var under []branch
	seen := map[branch]bool{}
	if condition, holds, ok := owner.Branch(); ok {
		seen[branch{condition, holds}] = true
	}
	for _, n := range others {
		if condition, holds, ok := n.Branch(); ok && !seen[branch{condition, holds}] {
			seen[branch{condition, holds}] = true
			under = append(under, branch{condition, holds})
		}
	}
	return func(v *tree.Node) *tree.Node {
		for _, b := range under {
			without := tree.NewObject(tree.Member{Name: "Ref", Value: tree.NewString("AWS::NoValue")})
			branches := []*tree.Node{tree.NewString(b.condition), v, without}
			if !b.holds {
				branches[1], branches[2] = without, v
			}
			v = tree.NewObject(tree.Member{Name: "Fn::If", Value: tree.NewArray(branches...)})
		}
		return v
	}
}

// readdress replaces the alias of a link by 127.0.0.1 where a container uses it as a
// host. It reports whether it found the alias at all.
func (c *converter) readdress(container *tree.Node, l link) (found bool) {
	at := place{ports: c.portsOf(c.byName[l.to])}
	variable := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(l.alias)) + "_PORT"
	for _, e := range container.Get("environment").Elements() {
		at.variable = cmp.Or(e.Get("name").Identity(), "?")
		if c.alias(e.Get("value"), l, at, c.RewriteLinks != "none") {
			found = true
		}
	}
	at.variable = ""
	lists := []*tree.Node{container.Get("entryPoint"), container.Get("command"), container.Get("healthCheck").Get("command")}
	for _, list := range lists {
		at.flagged = false
		for _, n := range list.Elements() {
			if c.alias(n, l, at, c.RewriteLinks == "all") {
				found = true
			}
			s, _ := n.Text()
			at.flagged = hostFlag.MatchString(s)
			if strings.Contains(s, variable) {
				found = true // scan warns of it
			}
		}
	}
	return found
}

// portsOf returns the ports that a container is known to listen on: those it maps,
// and those that its image is known for.
func (c *converter) portsOf(container *tree.Node) (all ports) {
	for _, mapping := range container.Get("portMappings").Elements() {
		if p, ok := mapping.Get("containerPort").Int(); ok {
			all = append(all, portRange{first: p, last: p})
		}
		first, last, _ := strings.Cut(mapping.Get("containerPortRange").Str(), "-")
		if from, err := strconv.ParseInt(first, 10, 64); err == nil {
			if to, err := strconv.ParseInt(last, 10, 64); err == nil {
				all = append(all, portRange{first: from, last: to})
			}
		}
	}
	for _, p := range exposed[imageName(container.Get("image").Str())] {
		all = append(all, portRange{first: p, last: p})
	}
	return all
}

var linkAliasKept = finding.Rule{
	ID: "link-alias-kept", Topic: finding.Network, Severity: finding.Warning, Action: finding.Keep, Source: dockerLinks,
	Summary: "The alias of a link occurs here; as an address it does not resolve on Fargate.",
	Help:    finding.Advice{"If it is an address, replace it with 127.0.0.1; --rewrite-links all does so in commands as well."},
}

var linkAliasRewritten = finding.Rule{
	ID: "link-alias-rewritten", Topic: finding.Network, Severity: finding.Info, Action: finding.Rewrite, Source: guideFargate,
	Summary: "The alias of a link was used as a host; the linked container is now at 127.0.0.1.",
}

var linkAliasAssumed = finding.Rule{
	ID: "link-alias-assumed", Topic: finding.Network, Severity: finding.Warning, Action: finding.Rewrite, Source: guideFargate,
	Summary: "The alias of a link was probably used as a host; it is now 127.0.0.1.",
	Help:    finding.Advice{"If it is not an address, set it back."},
}

// alias rewrites an alias in one text, or warns of it.
func (c *converter) alias(n *tree.Node, l link, at place, rewrite bool) (found bool) {
	text, ok := n.Text()
	if !ok {
		for s := range literals(n) {
			if len(hosts(s, l.alias, at)) > 0 {
				c.Note(linkAliasKept, n, "%q occurs in a value that is assembled at deployment", l.alias).Help = finding.Advice{"If it is an address, replace it with " + loopback + " there."}
				return true
			}
		}
		return false
	}
	matches := hosts(text, l.alias, at)
	if len(matches) == 0 {
		return false
	}
	in := "here"
	if at.variable != "" {
		in = "in variable " + at.variable
	}
	rule, why := linkAliasRewritten, "%s %s was the linked container %q, which is now at %s"
	var b strings.Builder
	var kept, before, after []string
	last, known := 0, false
	for _, m := range matches {
		token := m.token(text)
		if m.reading == possible || !rewrite {
			known = known || m.reading != possible
			kept = append(kept, token)
			continue
		}
		if m.reading == likely {
			rule, why = linkAliasAssumed, "%s %s is probably the address of the linked container %q, which is now at %s"
		}
		b.WriteString(text[last:m.start] + loopback)
		last = m.start + len(l.alias)
		before = append(before, token)
		after = append(after, loopback+token[len(l.alias):])
	}
	if len(kept) > 0 {
		f := c.Note(linkAliasKept, n, "%s %s may be the address of the linked container %q", quotedList(kept), in, l.to)
		if known {
			f.Why = finding.Sentence(fmt.Sprintf("%s %s is the linked container %q", quotedList(kept), in, l.to))
		} else {
			f.Help = finding.Advice{"If it is, replace it with " + loopback + "."}
		}
		f.Before = finding.Quoted(strings.Join(kept, " "))
	}
	if last > 0 {
		b.WriteString(text[last:])
		f := c.rewrite(rule, n, tree.NewString(b.String()), why, quotedList(before), in, l.to, loopback)
		c.rewritten[n] = true
		f.Before, f.After = finding.Quoted(strings.Join(before, " ")), finding.Quoted(strings.Join(after, " ")) // the rest may be secret
	}
	return true
}

// quotedList quotes each text once.
func quotedList(all []string) string {
	var quoted []string
	for _, s := range all {
		if q := strconv.Quote(s); !slices.Contains(quoted, q) {
			quoted = append(quoted, q)
		}
	}
	return strings.Join(quoted, ", ")
}

// literals yields the strings in a value, also those within intrinsic functions.
func literals(n *tree.Node) iter.Seq[string] {
	return func(yield func(string) bool) { eachLiteral(n, yield) }
}

func eachLiteral(n *tree.Node, yield func(string) bool) bool {
	if s, ok := n.Text(); ok {
		return yield(s)
	}
	for key, v := range n.Members() {
		if key == "Ref" || key == "Fn::GetAtt" || key == "Condition" || key == "Fn::FindInMap" {
			continue // names of the template
		}
		if !eachLiteral(v, yield) {
			return false
		}
	}
	branches := n.Parent().Key("Fn::If") == n
	for i, v := range n.Elements() {
		if i == 0 && branches {
			continue // the name of a condition
		}
		if !eachLiteral(v, yield) {
			return false
		}
	}
	return true
}
