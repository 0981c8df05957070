package eni

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"github.com/aws/amazon-vpc-resource-controller-k8s/pkg/aws/vpc"
)

// nearest returns at most three types that may be meant: the nearest in spelling,
// among equals those of the same family or size first.
func nearest(name string) []string {
	type candidate struct {
		name     string
		distance int
		kin      int
	}
	_, size, _ := strings.Cut(name, ".")
	length := utf8.RuneCountInString(name)
	var all []candidate
	for known := range maps.Keys(vpc.Limits) {
		// A name that is half wrong is another name, but any size of the same family
		// is worth a mention. What differs that much in length alone needs no look.
		kin, half := family(known) == family(name), len(name)/2
		if !kin && max(length-len(known), len(known)-length) > half {
			continue
		}
		c := candidate{name: known, distance: levenshtein.ComputeDistance(name, known)}
		if !kin && c.distance > half {
			continue
		}
		if _, s, _ := strings.Cut(known, "."); s != size {
			c.kin++
		}
		if !kin {
			c.kin++
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.kin, b.kin), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, c := range all[:min(3, len(all))] {
		names = append(names, c.name)
	}
	return names
}
