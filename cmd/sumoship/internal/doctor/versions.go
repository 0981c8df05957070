package doctor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"sumoship/version"
)

var versionFaults = []Fault{versionsDiffer}

var versionsDiffer = Fault{"versions-differ", Doubt,
	"A fault that a release has mended is still there, or a new setting does nothing.",
	"The command, the template and the functions are not of one release.",
	"`sumoship version` names that of the command. `sumoship deploy --stack {stack}{region}` brings template and functions to it."}

// versionsTime is how far back doctor reads what the functions have logged.
const versionsTime = 30 * time.Minute

func (x *exam) versions(ctx context.Context) error {
	of := map[string]string{"command": x.Command, "template": x.stack.Outputs["Version"]}
	for function, group := range logGroups(x.stack) {
		v, err := x.Version(ctx, group, time.Now().Add(-versionsTime))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		of[function] = v
	}
	maps.DeleteFunc(of, func(_, v string) bool { return v == "" || v == version.Devel }) // such a build does not know
	var named []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		named = append(named, name+" "+of[name])
	}
	seen := strings.Join(named, ", ")
	switch versions := slices.Compact(slices.Sorted(maps.Values(of))); {
	case len(versions) == 0:
		x.sound("not known: they are built without one, or nothing has been logged")
	case len(versions) > 1:
		x.finds(versionsDiffer, "%s", seen)
	}
	x.sound("%s", seen)
	return nil
}
