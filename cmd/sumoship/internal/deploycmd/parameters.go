package deploycmd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/agnivade/levenshtein"

	"sumoship/cmd/sumoship/internal/cli"
)

// settings are what a file and flags say about a stack.
type settings struct {
	file                  string // that they are from, "" if there is none
	stack, region, bucket string
	parameters, tags      map[string]string
}

// samconfigName is the file that is read if there is one.
const samconfigName = "samconfig.toml"

// readSettings reads the settings of sam deploy from a file of its shape. With name
// empty it reads samconfig.toml, if there is one.
func readSettings(name string) (settings, error) {
	s := settings{parameters: map[string]string{}, tags: map[string]string{}}
	body, err := os.ReadFile(cmp.Or(name, samconfigName))
	if name == "" && errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, cli.Usagef("--parameters: %w", err)
	}
	given := name != ""
	name = cmp.Or(name, samconfigName)
	type parameters struct {
		StackName string `toml:"stack_name"`
		Region    string `toml:"region"`
		Bucket    string `toml:"s3_bucket"`
		Overrides any    `toml:"parameter_overrides"`
		Tags      any    `toml:"tags"`
	}
	var file struct {
		Default struct {
			Global struct{ Parameters parameters }
			Deploy struct{ Parameters parameters }
		}
	}
	meta, err := toml.Decode(string(body), &file)
	if err != nil {
		if e, ok := errors.AsType[toml.ParseError](err); ok {
			return s, cli.Usagef("%s: line %d: %s; want TOML, in the shape of samconfig.toml", name, e.Position.Line, e.Message)
		}
		return s, cli.Usagef("%s: %w", name, err)
	}
	if err := readable(meta, given); err != nil {
		return s, cli.Usagef("%s: %w", name, err)
	}
	s.file = name
	for _, p := range []parameters{file.Default.Global.Parameters, file.Default.Deploy.Parameters} {
		s.stack, s.region, s.bucket = cmp.Or(p.StackName, s.stack), cmp.Or(p.Region, s.region), cmp.Or(p.Bucket, s.bucket)
		for what, set := range map[string]struct {
			value any
			into  map[string]string
		}{"parameter_overrides": {p.Overrides, s.parameters}, "tags": {p.Tags, s.tags}} {
			pairs, err := pairsOf(set.value)
			if err != nil {
				return s, cli.Usagef("%s: %s: %w", name, what, err)
			}
			maps.Copy(set.into, pairs)
		}
	}
	return s, nil
}

// settingNames are the settings that are read; SAM has others beside them.
var settingNames = []string{"stack_name", "region", "s3_bucket", "parameter_overrides", "tags"}

// readable returns an error if what a file says would be passed over: all of a file that
// the user has given, or a setting whose name is nearly one that is read.
func readable(meta toml.MetaData, given bool) error {
	if given && !meta.IsDefined("default", "deploy", "parameters") && !meta.IsDefined("default", "global", "parameters") {
		var has []string
		for _, key := range meta.Keys() {
			if len(key) == 3 && key[2] == "parameters" {
				has = append(has, "["+key.String()+"]")
			}
		}
		if len(has) > 0 {
			return fmt.Errorf("want [default.deploy.parameters]; it has %s", strings.Join(has, ", "))
		}
		return errors.New("want [default.deploy.parameters], and the settings below it")
	}
	for _, key := range meta.Undecoded() {
		if len(key) != 4 || slices.Contains(settingNames, key[3]) || key[0] != "default" || key[1] != "deploy" && key[1] != "global" || key[2] != "parameters" {
			continue
		}
		for _, known := range settingNames {
			if levenshtein.ComputeDistance(key[3], known) <= 2 {
				return fmt.Errorf("%s; did you mean %s?", key[3], known)
			}
		}
	}
	return nil
}

// pairsOf reads NAME=VALUE in the ways of samconfig.toml: one text, a list of texts, or
// a table.
func pairsOf(v any) (map[string]string, error) {
	pairs := map[string]string{}
	var words []string
	switch v := v.(type) {
	case nil:
	case string:
		var err error
		if words, err = split(v); err != nil {
			return nil, err
		}
	case []any:
		for _, e := range v {
			text, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("%v is not NAME=VALUE", e)
			}
			words = append(words, text)
		}
	case map[string]any:
		for name, value := range v {
			pairs[name] = fmt.Sprint(value)
		}
	default:
		return nil, fmt.Errorf("%v is not NAME=VALUE, nor a list of such", v)
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not NAME=VALUE", w)
		}
		pairs[name] = value
	}
	return pairs, nil
}

// split splits a text at blanks outside quotes, and takes the quotes off.
func split(text string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	inWord := false
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is open at the end of %q", text)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// check returns an error that names the parameters which the template does not have, or
// whose values it does not take, before CloudFormation would.
func (t template) check(given map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if p, ok := t.Parameters[name]; ok && name != codeBucket && name != codePrefix {
			if want := p.refuses(given[name]); want != "" && fmt.Sprint(p.NoEcho) == "true" {
				errs = append(errs, fmt.Errorf("%s: %s", name, want))
			} else if want != "" {
				errs = append(errs, fmt.Errorf("%s: %q; %s", name, given[name], want))
			}
			continue
		}
		best, distance := "", 4
		for _, known := range slices.Sorted(maps.Keys(t.Parameters)) {
			if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(known)); d < distance {
				best, distance = known, d
			}
		}
		switch {
		case name == codeBucket || name == codePrefix:
			errs = append(errs, fmt.Errorf("%s is set by deploy itself; --bucket chooses the bucket", name))
		case best != "":
			errs = append(errs, fmt.Errorf("the template has no parameter %s; did you mean %s?", name, best))
		default:
			errs = append(errs, fmt.Errorf("the template has no parameter %s", name))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return cli.Fail(cli.ExitUsage, errors.Join(errs...))
}

// declared is a parameter as a template declares it.
type declared struct {
	Default               any
	NoEcho                any
	Type                  string
	AllowedValues         []any
	AllowedPattern        string
	ConstraintDescription string
	MinValue, MaxValue    *float64
	MaxLength             *int
}

// refuses says what a parameter wants instead of a value, "" if it takes the value. A
// pattern that Go does not have (look-around) is CloudFormation's to check.
func (p declared) refuses(value string) (want string) {
	if len(p.AllowedValues) > 0 {
		var all []string
		for _, v := range p.AllowedValues {
			text := fmt.Sprint(v)
			if f, ok := v.(float64); ok {
				text = strconv.FormatFloat(f, 'f', -1, 64)
			}
			if text == value {
				return ""
			}
			all = append(all, cmp.Or(text, "nothing"))
		}
		return "want " + strings.Join(all, ", ")
	}
	if p.Type == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return "want a number"
		case p.MinValue != nil && n < *p.MinValue:
			return fmt.Sprintf("want %.0f at least", *p.MinValue)
		case p.MaxValue != nil && n > *p.MaxValue:
			return fmt.Sprintf("want %.0f at most", *p.MaxValue)
		}
		return ""
	}
	if p.MaxLength != nil && len(value) > *p.MaxLength {
		return fmt.Sprintf("want %d characters at most", *p.MaxLength)
	}
	if pattern, err := regexp.Compile("^(?:" + p.AllowedPattern + ")$"); p.AllowedPattern != "" && err == nil && !pattern.MatchString(value) {
		return cmp.Or(p.ConstraintDescription, "want what matches "+p.AllowedPattern)
	}
	return ""
}
