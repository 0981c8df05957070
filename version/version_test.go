package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDescribe(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"}}
	main := func(v string, s ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: v}, Settings: s}
	}
	for name, c := range map[string]struct {
		build  *debug.BuildInfo
		linked [3]string // number, commit, date
		want   Info
		word   string
	}{
		"nothing":    {main(""), [3]string{}, Info{Version: "devel"}, "devel"},
		"go run":     {main("(devel)"), [3]string{}, Info{Version: "devel"}, "devel"},
		"go install": {main("v1.2.3"), [3]string{}, Info{Version: "v1.2.3"}, "v1.2.3"},
		"checkout": {main("(devel)", vcs...), [3]string{},
			Info{Version: "devel", Commit: "0123456789abcdef0123", Date: "2026-01-02T03:04:05Z", Modified: true}, "devel-0123456789ab+dirty"},
		"linked": {main("v0.0.0-2026", vcs...), [3]string{"v9", "fedc", "2025-01-01T00:00:00Z"}, Info{Version: "v9", Commit: "fedc", Date: "2025-01-01T00:00:00Z"}, "v9"},
		"commit": {main("(devel)"), [3]string{"", "fedc", ""}, Info{Version: "devel", Commit: "fedc"}, "devel-fedc"},
	} {
		number, commit, date = c.linked[0], c.linked[1], c.linked[2]
		c.want.Go, c.want.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
		got := describe(c.build)
		if diff := cmp.Diff(c.want, got); diff != "" || got.String() != c.word {
			t.Errorf("%s: %s (-want +got):\n%s", name, got, diff)
		}
	}
	number, commit, date = "", "", ""
}
