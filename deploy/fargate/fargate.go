// Package fargate turns task definitions made for EC2 into versions for Fargate that
// log through awslogs. Convert edits a definition, Check only reports, and NewMove
// returns what changes in its network. Each rule is a value beside its check.
package fargate

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// Options are what a conversion cannot learn from the definition. With the zero
// value, what a definition lacks is a finding of severity error.
type Options struct {
	Region        string            // of log groups, such as "us-east-1", if the definition names none
	DefaultRegion string            // likewise, if nothing else names one
	ExecutionRole string            // name or ARN, for a definition without one
	TaskRole      string            // name or ARN, for a definition without one
	LogGroup      string            // for containers without one; "" means /ecs/FAMILY
	LogMode       string            // of awslogs where none is given: "", "blocking", "non-blocking", "non-blocking:SIZE" such as 25m, or "keep" for none
	Arch          string            // CPU of the images, if the definition does not say: "", "x86_64" or "arm64"
	FamilySuffix  string            // appended to the family, such as "-fargate"
	KeepEC2       bool              // keep the definition valid for EC2 as well
	MemoryBasis   string            // what the task size adds up: "" or "limit", or "reservation"
	RewriteLinks  string            // where link aliases become 127.0.0.1: "" or "env", "all" (commands too) or "none"
	Volumes       map[string]string // replacement by volume name: "ephemeral", "efs:fs-ID", "efs:fs-ID:/DIR" or "efs:fs-ID:fsap-ID"
	Fluentd       string            // where logs of the fluentd driver go: "" or "awslogs", or "firelens"
	Shm           string            // replacement of sharedMemorySize: "" (refused) or "tmpfs"
	Target        string            // what the definition is for: "" or "fargate", or "managed-instances", which keeps what those support
	Strict        bool              // if the definition claims FARGATE, report what ECS refuses as errors, even what Convert fixes
	// AccountLogMode is the setting defaultLogDriverMode that the account has chosen,
	// "" if none is known. Without LogMode it decides.
	AccountLogMode string
	Allow          []string // IDs of refusals to lift; see [finding.Rule]
}

// Convert edits d into its Fargate version and returns all findings, ordered by
// place. If one of them is of severity error, do not use d: a person has to decide
// first. Converting a converted definition edits nothing.
//
// Errors: *[finding.OptionError].
//
// Source: Amazon ECS Developer Guide, "Task definition differences for Fargate";
// Rules names the source of each finding.
func Convert(d *taskdef.Document, o Options) ([]finding.Finding, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return convert(d.Definition(), d.Shape(), o), nil
}

// Preview returns the findings of Convert, and edits nothing.
//
// Errors: *[finding.OptionError].
func Preview(d *taskdef.Document, o Options) ([]finding.Finding, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return convert(d.Definition().Clone(), d.Shape(), o), nil
}

// Check returns the findings of Convert with Options.Strict, and edits nothing.
//
// Errors: *[finding.OptionError].
func Check(d *taskdef.Document, o Options) ([]finding.Finding, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Strict = true
	c := newConverter(d.Definition().Clone(), d.Shape(), o)
	c.judging = true
	return c.convert(), nil
}

var (
	roleName   = regexp.MustCompile(`^(arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+|[\w+=,.@-]{1,64})$`)
	logModes   = regexp.MustCompile(`^(blocking|keep|non-blocking(:[1-9]\d{0,8}[kmgKMG]?[bB]?)?)$`)
	suffixName = regexp.MustCompile(`^[\w-]{1,200}$`)
	efsVolume  = regexp.MustCompile(`^efs:(fs-[0-9a-f]{8,40})(?::(/.*|fsap-[0-9a-f]{8,40}))?$`)
)

// Validate returns the first invalid option, as *[finding.OptionError].
func (o Options) Validate() error {
	for _, v := range []struct {
		option, value string
		pattern       *regexp.Regexp
		want          string
	}{
		{"Region", o.Region, taskdef.Region, "a Region, such as us-east-1"},
		{"DefaultRegion", o.DefaultRegion, taskdef.Region, "a Region, such as us-east-1"},
		{"ExecutionRole", o.ExecutionRole, roleName, "the name or ARN of a role"},
		{"TaskRole", o.TaskRole, roleName, "the name or ARN of a role"},
		{"LogGroup", o.LogGroup, taskdef.GroupName, "the name of a log group: letters, digits and _ - / . #"},
		{"LogMode", o.LogMode, logModes, "blocking, non-blocking, non-blocking:SIZE such as non-blocking:25m, or keep"},
		{"FamilySuffix", o.FamilySuffix, suffixName, "letters, digits, _ and -"},
	} {
		if v.value != "" && !v.pattern.MatchString(v.value) && !placeholder(v.value) {
			return &finding.OptionError{Option: v.option, Value: v.value, Want: v.want}
		}
	}
	for _, v := range []struct {
		option, value string
		choice        []string
	}{
		{"Arch", o.Arch, []string{"x86_64", "arm64"}},
		{"AccountLogMode", o.AccountLogMode, []string{"blocking", "non-blocking"}},
		{"MemoryBasis", o.MemoryBasis, []string{"limit", "reservation"}},
		{"RewriteLinks", o.RewriteLinks, []string{"env", "all", "none"}},
		{"Fluentd", o.Fluentd, []string{"awslogs", "firelens"}},
		{"Shm", o.Shm, []string{"tmpfs"}},
		{"Target", o.Target, []string{"fargate", onManaged}},
	} {
		if v.value != "" && !slices.Contains(v.choice, v.value) {
			return &finding.OptionError{Option: v.option, Value: v.value, Want: strings.Join(v.choice, " or ")}
		}
	}
	for name, v := range o.Volumes {
		if v != "ephemeral" && !efsVolume.MatchString(v) {
			return &finding.OptionError{Option: "Volumes", Value: name + "=" + v, Want: "ephemeral, efs:fs-ID, efs:fs-ID:/DIR or efs:fs-ID:fsap-ID"}
		}
	}
	for _, id := range o.Allow {
		rule, ok := lookup(id)
		if !ok {
			return &finding.OptionError{Option: "Allow", Value: id, Want: "the ID of a finding"}
		}
		if rule.Allow == "" {
			return &finding.OptionError{Option: "Allow", Value: id, Want: "the ID of a refusal that can be lifted; this one must be fixed in the definition"}
		}
	}
	return nil
}

func placeholder(s string) bool { return tree.NewString(s).Opaque() }
