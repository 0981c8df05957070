package finding

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
)

// Baseline is findings that are known, so that only new ones count: those of a
// repository on the day that it began to check. Lines are not in it: they move.
type Baseline struct {
	known map[fingerprint]int // how many of each
}

// fingerprint is what makes a finding the same in another run.
type fingerprint struct {
	File     string `json:"file"`
	Resource string `json:"resource,omitempty"`
	ID       string `json:"id"`
	Pointer  string `json:"pointer"`
}

// baselineFile is the JSON of a baseline.
type baselineFile struct {
	Version  int           `json:"version"`
	Findings []fingerprint `json:"findings"`
}

func fingerprintOf(i Input, f Finding) fingerprint {
	return fingerprint{filepath.ToSlash(filepath.Clean(i.Name)), i.Resource, f.ID, f.Pointer}
}

// ReadBaseline reads what WriteBaseline wrote.
func ReadBaseline(src []byte) (*Baseline, error) {
	var file baselineFile
	if err := json.Unmarshal(src, &file); err != nil {
		return nil, fmt.Errorf("not a baseline; write one with --write-baseline: %w", err)
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("version %d of a baseline is unknown; write it anew with --write-baseline", file.Version)
	}
	b := &Baseline{known: map[fingerprint]int{}}
	for _, f := range file.Findings {
		b.known[f]++
	}
	return b, nil
}

// WriteBaseline returns the findings of the report as a baseline, in an order that
// does not depend on that of the inputs.
func (r Report) WriteBaseline() ([]byte, error) {
	file := baselineFile{Version: 1, Findings: []fingerprint{}}
	for _, input := range r.Inputs {
		for _, f := range input.Findings {
			file.Findings = append(file.Findings, fingerprintOf(input, f))
		}
	}
	slices.SortFunc(file.Findings, func(a, b fingerprint) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.ID, b.ID))
	})
	out, err := json.MarshalIndent(file, "", "  ")
	return append(out, '\n'), err
}

// Without returns the report without the findings of a baseline, which it counts.
func (r Report) Without(b *Baseline) Report {
	left := map[fingerprint]int{}
	for f, n := range b.known {
		left[f] = n
	}
	inputs := slices.Clone(r.Inputs)
	for i, input := range inputs {
		inputs[i].Findings = nil
		for _, f := range input.Findings {
			if print := fingerprintOf(input, f); left[print] > 0 {
				left[print]--
				r.Known++
				continue
			}
			inputs[i].Findings = append(inputs[i].Findings, f)
		}
	}
	r.Inputs = inputs
	return r
}
