// Package clitest runs the verbs of the command in tests, and gives them an AWS
// account of fakes. Each function ends the test if it fails.
package clitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/function/awstest/moto"
	"sumoship/sumo/leaktest"
)

// Run runs the verb of a tree that args name, and returns what it wrote.
func Run(t *testing.T, tree any, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = cli.Run(t.Context(), tree, args, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(name string) string { return variables[name] }})
	leaktest.Check(t, strings.Join(args, " "), o.String()+e.String())
	checked(t, reflect.New(reflect.TypeOf(tree).Elem()).Interface(), args, status, o.Bytes())
	return status, o.String(), e.String()
}

// Mentions fails the test for each part that a text lacks.
func Mentions(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// StartMoto starts a moto_server for the time of the test and points the AWS
// configuration at it.
func StartMoto(t *testing.T) {
	t.Helper()
	SetAWS(t, moto.Start(t))
}

// SetAWS points the AWS configuration at an endpoint.
func SetAWS(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
}

// ExactJSON reads JSON and keeps the spelling of numbers.
func ExactJSON(t *testing.T, doc string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return v
}

// Contains fails the test for each part of want that got lacks.
func Contains(t *testing.T, path string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, w := range want {
			Contains(t, path+"/"+name, g[name], w)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(want) {
			t.Errorf("%s: %v, want %v", path, got, want)
			return
		}
		for i, w := range want {
			Contains(t, fmt.Sprint(path, "/", i), g[i], w)
		}
	default:
		if !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Raced reports whether the race detector watches, which takes memory of its own.
func Raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
