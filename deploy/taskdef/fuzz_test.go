package taskdef_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/taskdef"
)

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		described, cloudFormation,
		`[{"name":"a","image":"b"}]`,
		`{"containerDefinitions":[{"name":"a","dockerLabels":{"A":null}}],"cpu":1}`,
		`{"Resources":{"A":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Name":"a"}]}}}}`,
	} {
		f.Add("f", []byte(s))
		f.Add("f.yaml", []byte(s))
	}
	f.Fuzz(func(t *testing.T, name string, src []byte) {
		d, err := taskdef.Read(name, src, taskdef.ReadOptions{})
		if err != nil {
			if e, ok := errors.AsType[*taskdef.InputError](err); !ok || e.Line < 1 || e.Column < 1 || e.What == "" || d != nil {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if d.Shape() != taskdef.Described && !bytes.Equal(d.Bytes(), src) {
			t.Fatalf("Bytes is not the source:\n%s", d.Bytes())
		}
		ecs := d.ECS()
		if strings.Contains(string(src), "{") && strings.Contains(string(src), "$") || strings.Contains(string(src), "{{") {
			return // placeholders, which are not JSON
		}
		again, err := taskdef.Read("ecs.json", ecs, taskdef.ReadOptions{})
		if err != nil {
			t.Fatalf("ECS does not read: %v\n%s", err, ecs)
		}
		if diff := cmp.Diff(string(ecs), string(again.ECS())); diff != "" {
			t.Fatalf("ECS again (-want +got):\n%s", diff)
		}
	})
}

// BenchmarkRead reads a definition of two containers, as many as most have.
func BenchmarkRead(b *testing.B) {
	for name, src := range map[string]string{"json": described, "yaml": cloudFormation} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := taskdef.Read("td."+name, []byte(src), taskdef.ReadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
