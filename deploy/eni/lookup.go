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
// many interfaces each can have, the primary one included, and why it does not
// say so for the rest.
//
// A type in a cluster exists, so it counts as 0 tasks if nothing is known of it.
// Any other unknown type is an error, which
// names all of them and wraps why.
func Lookup(names []string, cluster *Cluster, ask func(types []string) (interfaces map[string]int, why error)) ([]Density, error) {
	var types []Density
	var unknown []*unknownTypeError
	seen := map[string]bool{}
	for _, name := range slices.Concat(names, cluster.types()) {
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] {
			continue
		}
		seen[name] = true
		d, err := of(name)
		if e, ok := errors.AsType[*unknownTypeError](err); ok {
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
	var wrong []*unknownTypeError
	for _, e := range unknown {
		i := slices.IndexFunc(types, func(d Density) bool { return d.Type == e.Type })
		if n, ok := interfaces[e.Type]; ok {
			types[i] = ofInterfaces(e.Type, n)
		} else if slices.Contains(cluster.types(), e.Type) {
			types[i].Approximate = true
			types[i].Note = fmt.Sprintf("counted as 0: not in the table of %s; %v", TableDate, why)
		} else {
			wrong = append(wrong, e)
		}
	}
	if len(wrong) > 0 {
		return nil, &lookupError{Types: wrong, Why: why}
	}
	return types, nil
}

// lookupError names the types of which nothing is known. It wraps the reason why
// asking did not help.
type lookupError struct {
	Types []*unknownTypeError
	Why   error
}

func (e *lookupError) Error() string {
	var lines []string
	for _, t := range e.Types {
		lines = append(lines, t.Error())
	}
	return fmt.Sprintf("%s\n%v", strings.Join(lines, "\n"), e.Why)
}

func (e *lookupError) Unwrap() error { return e.Why }
