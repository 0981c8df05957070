package main

import (
	"testing"

	"sumoship/cmd/sumoship/internal/clitest"
)

// command runs sumoship and returns what it wrote.
func command(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	return clitest.Run(t, newVerbs(), variables, args...)
}

// What deploy ends with is that of this command; package deploycmd tests it.
func TestDeployEndsWithACanary(t *testing.T) {
	if newVerbs().Deploy.Canary == nil {
		t.Error("deploy sends no canary")
	}
}
