// Package version says which build of sumoship runs, the command as well as the
// functions. It reads what the go command has written into the binary.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// number, commit and date are set by the linker where the go command finds no
// repository: -ldflags "-X sumoship/version.number=v1.2.3 -X
// sumoship/version.commit=… -X sumoship/version.date=…".
var number, commit, date string

// Devel is the version of a build that has none.
const Devel = "devel"

// Info describes a build.
type Info struct {
	Version  string `json:"version"`            // such as v1.2.3, or Devel
	Commit   string `json:"commit,omitempty"`   // its hash
	Date     string `json:"date,omitempty"`     // of the commit, RFC 3339
	Modified bool   `json:"modified,omitempty"` // files differed from the commit
	Go       string `json:"go"`                 // such as go1.26.0
	Platform string `json:"platform"`           // such as linux/arm64
}

// Read returns the description of this build. It takes some microseconds.
func Read() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = new(debug.BuildInfo)
	}
	return describe(build)
}

func describe(build *debug.BuildInfo) Info {
	i := Info{Version: number, Commit: commit, Date: date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Commit = cmp.Or(i.Commit, s.Value)
		case "vcs.time":
			i.Date = cmp.Or(i.Date, s.Value)
		case "vcs.modified":
			i.Modified = s.Value == "true" && commit == ""
		}
	}
	if v := build.Main.Version; i.Version == "" && v != "(devel)" {
		i.Version = v
	}
	i.Version = cmp.Or(i.Version, Devel)
	return i
}

// String returns the version in one word, which of a build without one names the
// commit.
func (i Info) String() string {
	if i.Version != Devel || i.Commit == "" {
		return i.Version
	}
	word := Devel + "-" + i.Commit[:min(12, len(i.Commit))]
	if i.Modified {
		word += "+dirty"
	}
	return word
}

// Agent returns how sumoship names itself to servers: sumoship/v1.2.3.
func Agent() string { return "sumoship/" + Read().String() }
