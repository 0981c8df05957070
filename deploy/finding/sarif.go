package finding

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// The part of SARIF that code scanning reads. Source: OASIS, "Static Analysis
// Results Interchange Format (SARIF) Version 2.1.0"; GitHub Docs, "SARIF support
// for code scanning".
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"` // [] and not absent when there is none: it means that the run was made
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string             `json:"id"`
		ShortDescription sarifText          `json:"shortDescription"`
		Help             *sarifText         `json:"help,omitempty"`
		Configuration    sarifConfiguration `json:"defaultConfiguration"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifResult struct {
		RuleID     string          `json:"ruleId"`
		RuleIndex  int             `json:"ruleIndex"`
		Level      string          `json:"level"`
		Message    sarifText       `json:"message"`
		Locations  []sarifLocation `json:"locations"`
		Properties sarifProperties `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifProperties struct {
		Action    Action `json:"action"`
		Container string `json:"container,omitempty"`
		Before    string `json:"before,omitempty"`
		After     string `json:"after,omitempty"`
	}
)

// SARIF writes the report as a SARIF 2.1.0 log for code scanning, with the rules
// that findings can have: a result for each finding. Addresses are relative to the
// working directory, with slashes, as the report names the inputs. What has no
// place in the file points at its first line, for code scanning shows no other.
// Inputs that cannot be read are notifications of the invocation.
func (r Report) SARIF(w io.Writer, rules []Rule) error {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "sumoship"}},
		Invocations: []sarifInvocation{{Successful: true}},
		ColumnKind:  "unicodeCodePoints",
		Results:     []sarifResult{},
	}
	index := map[string]int{}
	for i, rule := range rules {
		index[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(rule))
	}
	for _, input := range r.Inputs {
		if input.Err != nil {
			i := &run.Invocations[0]
			i.Successful = false
			line, column := input.place()
			i.Notifications = append(i.Notifications, sarifNotification{"error", sarifText{input.Err.Error()}, []sarifLocation{{Physical: sarifPlace(input.Name, line, column)}}})
			continue
		}
		for _, f := range r.shown(input) {
			text := f.Why
			if len(f.Help) > 0 {
				text += "\n\n" + f.Help.String()
			}
			run.Results = append(run.Results, sarifResult{
				RuleID:    f.ID,
				RuleIndex: index[f.ID],
				Level:     sarifLevel(f.Severity),
				Message:   sarifText{text},
				Locations: []sarifLocation{{
					Physical: sarifPlace(input.Name, f.Line, f.Column),
					Logical:  []sarifLogical{{cmp.Or(f.Pointer, "/"), "member"}},
				}},
				Properties: sarifProperties{f.Action, f.Container, f.Before, f.After},
			})
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func sarifLevel(s Severity) string {
	if s == Info {
		return "note"
	}
	return string(s)
}

func sarifPlace(name string, line, column int) sarifPhysical {
	return sarifPhysical{sarifArtifact{sarifURI(name)}, &sarifRegion{max(line, 1), column}}
}

// sarifURI is the address of a file: percent-encoded, and relative if name is.
func sarifURI(name string) string {
	u := url.URL{Path: filepath.ToSlash(name)}
	if filepath.IsAbs(name) {
		u.Scheme = "file"
	}
	return strings.TrimPrefix(u.String(), "./")
}

func sarifRuleOf(r Rule) sarifRule {
	rule := sarifRule{ID: r.ID, ShortDescription: sarifText{r.Summary}, Configuration: sarifConfiguration{sarifLevel(r.Severity)}}
	if help := strings.TrimSpace(r.Help.String() + "\n\n" + r.Source); help != "" {
		rule.Help = &sarifText{help}
	}
	return rule
}
