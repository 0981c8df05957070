package placement

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Instance is a kind of container instance that a placement constraint may choose.
type Instance struct {
	Kind        string // such as m6g.large
	ARM         bool   // else x86
	Accelerated bool   // it has GPUs or other accelerators
}

var (
	// Graviton families have a g after the generation: t4g, c7gn, m6gd.
	graviton    = regexp.MustCompile(`^([a-z]+\d+g[a-z]*|a1)(\.|$)`)
	accelerator = regexp.MustCompile(`^(p\d|g\d|gr\d|inf\d|trn\d|dl\d|vt\d|f\d)`)
	kindOf      = regexp.MustCompile(`\b[a-z]+\d+[a-z-]*\.(nano|micro|small|medium|\d*x?large|metal)\b`)
	// accelerates matches attributes that only instances with accelerators have.
	accelerates = regexp.MustCompile(`(?i)\becs\.(capability\.)?.*(gpu|nvidia|inferentia|neuron)`)
)

func instanceOf(kind string) Instance {
	return Instance{kind, graviton.MatchString(kind), accelerator.MatchString(kind)}
}

// instances stand for all types: a few sizes of families of each sort.
// Source: Amazon EC2 User Guide, "Instance types".
var instances = sync.OnceValue(func() (all []Instance) {
	for _, family := range strings.Fields(`t2 t3 t3a m3 m4 m5 m5a m5d m5n m6i m6a m7i m7a m8i c3 c4 c5 c5a c5d c5n c6i c6a c7i c7a c8i r4 r5 r5a r5d
		r6i r6a r7i x1 x1e x2idn i3 i3en i4i d2 d3 h1 z1d
		a1 t4g m6g m6gd m7g m7gd m8g c6g c6gd c6gn c7g c7gn c8g r6g r6gd r7g r8g x2gd im4gn is4gen i4g
		p2 p3 p3dn p4d p5 g2 g3 g3s g4dn g4ad g5 g5g g6 g6e gr6 inf1 inf2 trn1 trn1n trn2 dl1 dl2q vt1 f1 f2`) {
		for _, size := range []string{"medium", "large", "xlarge", "4xlarge", "metal"} {
			all = append(all, instanceOf(family+"."+size))
		}
	}
	return all
})

// osFamilies are the values of ecs.os-family.
// Source: Amazon ECS API Reference, RuntimePlatform (operatingSystemFamily).
var osFamilies = []string{
	"LINUX", "WINDOWS_SERVER_2016_FULL", "WINDOWS_SERVER_2019_FULL", "WINDOWS_SERVER_2019_CORE", "WINDOWS_SERVER_2004_CORE",
	"WINDOWS_SERVER_20H2_CORE", "WINDOWS_SERVER_2022_FULL", "WINDOWS_SERVER_2022_CORE", "WINDOWS_SERVER_2025_FULL", "WINDOWS_SERVER_2025_CORE",
}

// Choice is what placement constraints choose, all together.
type Choice struct {
	queries []*Expression
	kinds   []Instance // those that they name, besides instances
}

// Add adds a constraint.
func (c *Choice) Add(q *Expression) {
	c.queries = append(c.queries, q)
	q.conditions(func(q *Expression) {
		q.device = accelerates.MatchString(q.subject)
		if q.subject == "ecs.instance-type" {
			q.widen()
			for _, s := range q.arguments {
				if kindOf.MatchString(s) && !strings.ContainsAny(s, "*?+|([") {
					c.kinds = append(c.kinds, instanceOf(s))
				}
			}
		}
	})
}

// widen makes a pattern that no type matches whole match a part, as its author meant
// it: t4g for t4g.small.
func (q *Expression) widen() {
	matches := func(i Instance) bool { return q.matches(i.Kind) }
	if q.pattern == nil || slices.ContainsFunc(instances(), matches) {
		return
	}
	whole, prefix := q.pattern, q.prefix
	q.prefix = ""
	if q.pattern, _ = regexp.Compile(q.arguments[0]); q.pattern == nil || !slices.ContainsFunc(instances(), matches) {
		q.pattern, q.prefix = whole, prefix
	}
}

// Mentions reports whether a condition is about an attribute.
func (c *Choice) Mentions(subjects ...string) (found bool) {
	for _, q := range c.queries {
		q.conditions(func(q *Expression) { found = found || slices.Contains(subjects, q.subject) })
	}
	return found
}

// sorts stand for all instances where no constraint names types.
var sorts = []Instance{instanceOf("m5.large"), instanceOf("m6g.large"), instanceOf("g4dn.xlarge"), instanceOf("g5g.xlarge")}

// Instances returns the instances that the constraints do not exclude, and whether
// they exclude any.
func (c *Choice) Instances() (all []Instance, excludes bool) {
	try := func(those []Instance) {
		for _, i := range those {
			if c.eval(func(q *Expression) truth { return i.condition(q) }) != no {
				all = append(all, i)
			} else {
				excludes = true
			}
		}
	}
	switch {
	case len(c.queries) == 0:
	case c.Mentions("ecs.instance-type"):
		try(instances())
		try(c.kinds)
	default:
		try(sorts)
	}
	return all, excludes
}

// Systems returns the operating systems that the constraints do not exclude.
func (c *Choice) Systems() (all []string) {
	for _, family := range osFamilies {
		kind := "linux"
		if family != "LINUX" {
			kind = "windows"
		}
		if c.eval(func(q *Expression) truth {
			switch q.subject {
			case "ecs.os-family":
				return q.holds(family)
			case "ecs.os-type":
				return q.holds(kind)
			}
			return unknown
		}) != no {
			all = append(all, family)
		}
	}
	return all
}

func (c *Choice) eval(condition func(*Expression) truth) truth {
	result := yes
	for _, q := range c.queries {
		switch q.eval(condition) {
		case no:
			return no
		case unknown:
			result = unknown
		}
	}
	return result
}

// condition says whether a condition holds for the instance.
func (i Instance) condition(q *Expression) truth {
	switch {
	case q.subject == "ecs.instance-type":
		return q.holds(i.Kind)
	case q.subject == "ecs.cpu-architecture":
		names := []string{"x86_64", "amd64"}
		if i.ARM {
			names = []string{"arm64", "aarch64"}
		}
		switch q.operator {
		case "!=", "!in", "!~":
			return max(q.holds(names[0]).not(), q.holds(names[1]).not()).not()
		}
		return max(q.holds(names[0]), q.holds(names[1]))
	case q.device && !i.Accelerated:
		switch q.operator {
		case "!exists", "!=", "!in", "!~":
			return unknown
		}
		return no
	}
	return unknown
}
