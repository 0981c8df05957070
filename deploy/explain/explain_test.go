package explain_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/explain"
	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
)

// Each mode that a definition can name is explained under the same topics.
func TestNetworkModesSayTheSameThings(t *testing.T) {
	var names []string
	for _, m := range explain.NetworkModes() {
		names = append(names, m.Name)
		var topics []string
		for _, topic := range m.Topics {
			topics = append(topics, topic.Name)
			if !strings.HasSuffix(topic.Text, ".") {
				t.Errorf("%s, %s: %s", m.Name, topic.Name, topic.Text)
			}
		}
		if d := cmp.Diff([]string{"ports", "addresses", "isolation", "performance", "security groups", "Fargate"}, topics); d != "" {
			t.Errorf("%s (-want +got):\n%s", m.Name, d)
		}
		for _, width := range []int{0, 40} {
			var b bytes.Buffer
			if err := m.Text(&b, finding.Style{Width: width}); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if limit := max(width, 40); width > 0 && len(strings.TrimSuffix(line, "\n")) > limit {
					t.Errorf("%s: longer than %d: %s", m.Name, limit, line)
				}
			}
		}
	}
	if d := cmp.Diff([]string{"none", "bridge", "host", "awsvpc"}, names); d != "" {
		t.Errorf("modes (-want +got):\n%s", d)
	}
}

func TestNewMove(t *testing.T) {
	const containers = `"containerDefinitions": [
		{"name": "web", "image": "web", "memory": 128, "links": ["db"], "portMappings": [{"containerPort": 8080, "hostPort": 80},
			{"containerPort": 9090}, {"containerPort": 53, "hostPort": 0, "protocol": "udp"}, {"containerPortRange": "7000-7010"}]},
		{"name": "db", "image": "db", "memory": 128}]`
	for name, c := range map[string]struct {
		doc       string
		mode      string
		isDefault bool
		ports     []explain.PortMove
		ids       []string
	}{
		"bridge": {`{"family": "a", ` + containers + `}`, "bridge", true, []explain.PortMove{
			{"web", "instance address, port 80/tcp", "task address, port 8080/tcp"},
			{"web", "instance address, a port that Docker chooses for 9090/tcp", "task address, port 9090/tcp"},
			{"web", "instance address, a port that Docker chooses for 53/udp", "task address, port 53/udp"},
			{"web", "instance address, a port that Docker chooses for 7000-7010/tcp", "task address, port 7000-7010/tcp"},
		}, []string{"network-mode", "link-dropped", "link-depends-on", "link-alias-unused", "host-port-changed", "host-port-dynamic"}},
		"host": {`{"family": "a", "networkMode": "host", "containerDefinitions": [{"name": "web", "image": "web", "memory": 128,
			"portMappings": [{"containerPort": 80}], "environment": [{"name": "AGENT", "value": "localhost:8125"}]}]}`,
			"host", false, []explain.PortMove{{"web", "instance address, port 80/tcp", "task address, port 80/tcp"}},
			[]string{"network-mode-host", "localhost-in-host-mode"}},
		"awsvpc": {`{"family": "a", "networkMode": "awsvpc", "containerDefinitions": [{"name": "web", "image": "web", "memory": 128,
			"portMappings": [{"containerPort": 80}]}]}`,
			"awsvpc", false, []explain.PortMove{{"web", "task address, port 80/tcp", "task address, port 80/tcp"}}, nil},
		"none": {`{"family": "a", "networkMode": "none", "containerDefinitions": [{"name": "web", "image": "web", "memory": 128}]}`,
			"none", false, []explain.PortMove{}, []string{"network-mode-none"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := taskdef.Read("a.json", []byte(c.doc), taskdef.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			m, err := explain.NewMove(d, fargate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Mode != c.mode || m.Default != c.isDefault || m.Others == 0 {
				t.Errorf("%+v", m)
			}
			if d := cmp.Diff(c.ports, m.Ports); d != "" {
				t.Errorf("ports (-want +got):\n%s", d)
			}
			var ids []string
			for _, f := range m.Findings {
				if !slices.Contains(ids, f.ID) {
					ids = append(ids, f.ID)
				}
			}
			slices.Sort(ids)
			slices.Sort(c.ids)
			if d := cmp.Diff(c.ids, ids); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if string(d.Bytes()) != c.doc {
				t.Errorf("it was edited: %s", d.Bytes())
			}
			// No finding is counted twice or left out.
			all, err := fargate.Convert(d, fargate.Options{})
			if err != nil || len(all) != len(m.Findings)+m.Others {
				t.Errorf("%d findings of %d: %v", len(m.Findings)+m.Others, len(all), err)
			}
		})
	}
	d, err := taskdef.Read("a.json", []byte(`{"family": "a", `+containers+`}`), taskdef.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := explain.NewMove(d, fargate.Options{Arch: "riscv"}); err == nil {
		t.Error("an invalid option is accepted")
	}
}
