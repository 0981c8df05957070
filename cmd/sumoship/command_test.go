package main

import (
	"testing"

	"sumoship/cmd/sumoship/internal/clitest"
)

// command runs sumoship and returns what it wrote.
func command(t *testing.T, variables map[string]string, args ...string) (status int, out, errs string) {
	t.Helper()
	return clitest.Run(t, new(verbs), variables, args...)
}
