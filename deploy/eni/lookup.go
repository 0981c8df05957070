package eni

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Lookup returns the densities of the types named and of those in the cluster,
// which may be nil: each type once, in that order.
//
// ask is called once with the types that the table does not have. It returns how
// many interfaces each can have, as [OfInterfaces] takes it, and why it does not
// say so for the rest.
//
// A type in a cluster exists, so it counts as 0 tasks if nothing is known of it.
// Any other unknown type is an error, a *[LookupError].
func Lookup(names []string, cluster *Cluster, ask func(types []string) (interfaces map[string]int, why error)) ([]Density, error) {
	var types []Density
	var unknown []*UnknownTypeError
	seen := map[string]bool{}
	for _, name := range slices.Concat(names, cluster.types()) {
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] {
			continue
		}
		seen[name] = true
		d, err := Of(name)
		if e, ok := errors.AsType[*UnknownTypeError](err); ok {
			unknown = append(unknown, e)
			d = Density{Type: name, Trunking: Unknown}
		}
		types = append(types, d)
	}
	if len(unknown) == 0 {
		return types, nil
	}
	var asked []string
	for _, e := range unknown {
		asked = append(asked, e.Type)
	}
	interfaces, why := ask(asked)
	var wrong []*UnknownTypeError
	for _, e := range unknown {
		i := slices.IndexFunc(types, func(d Density) bool { return d.Type == e.Type })
		if n, ok := interfaces[e.Type]; ok {
			types[i] = OfInterfaces(e.Type, n)
		} else if slices.Contains(cluster.types(), e.Type) {
			types[i].Approximate = true
			types[i].Note = fmt.Sprintf("counted as 0: not in the table of %s; %v", TableDate, why)
		} else {
			wrong = append(wrong, e)
		}
	}
	if len(wrong) > 0 {
		return nil, &LookupError{Types: wrong, Why: why}
	}
	return types, nil
}

// LookupError names the types of which nothing is known. It wraps the reason why
// asking did not help.
type LookupError struct {
	Types []*UnknownTypeError
	Why   error
}

func (e *LookupError) Error() string {
	var lines []string
	for _, t := range e.Types {
		lines = append(lines, t.Error())
	}
	return fmt.Sprintf("%s\n%v", strings.Join(lines, "\n"), e.Why)
}

func (e *LookupError) Unwrap() error { return e.Why }
