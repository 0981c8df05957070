package function_test

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sumoship/function/awstest/lambdatest"
)

// Every cold start pays for what a package builds when the program starts, even in
// functions that only link it: a table of regular expressions takes milliseconds.
func TestOurPackagesCostNothingAtTheStart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds binaries")
	}
	for _, main := range []string{"forwarder", "replay", "subscriber"} {
		cmd := exec.Command(lambdatest.Build(t, "sumoship/function/"+main))
		cmd.Env = []string{"GODEBUG=inittrace=1"} // without a Runtime API it ends
		out, _ := cmd.CombinedOutput()
		seen := 0
		for _, line := range regexp.MustCompile(`(?m)^init (\S+) .* (\d+) bytes`).FindAllStringSubmatch(string(out), -1) {
			seen++
			if bytes, _ := strconv.Atoi(line[2]); strings.HasPrefix(line[1], "sumoship/") && bytes > 16<<10 {
				t.Errorf("%s: package %s allocates %d bytes when it starts", main, line[1], bytes)
			}
		}
		if seen < 20 {
			t.Errorf("%s: %d packages traced\n%s", main, seen, out)
		}
	}
}
