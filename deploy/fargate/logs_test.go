package fargate

import (
	"fmt"
	"strings"
	"testing"
)

// TestLogDestination has the sources of the group, region and prefix of a container
// without logs.
func TestLogDestination(t *testing.T) {
	const options = `{"awslogs-group":%q,"awslogs-region":%q,"awslogs-stream-prefix":"web","mode":"blocking"}`
	ecr := strings.Replace(task(""), "nginx:1", "123456789012.dkr.ecr.eu-west-3.amazonaws.com/a", 1)
	neighbour := two("", `"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-region": "{{ region }}"}}`)
	for name, c := range map[string]struct {
		src  string
		o    Options
		want string
	}{
		"options":   {task(""), Options{Region: "eu-west-1", LogGroup: "/g"}, fmt.Sprintf(options, "/g", "eu-west-1")},
		"family":    {task(`"family": "shop"`), Options{Region: "eu-west-1"}, fmt.Sprintf(options, "/ecs/shop", "eu-west-1")},
		"suffix":    {task(""), Options{Region: "eu-west-1", FamilySuffix: "-f"}, fmt.Sprintf(options, "/ecs/app-f", "eu-west-1")},
		"neighbour": {neighbour, Options{}, fmt.Sprintf(options, "/ecs/app", "{{ region }}")},
		"image":     {ecr, Options{}, fmt.Sprintf(options, "/ecs/app", "eu-west-3")},
		"fargate": {task(`"requiresCompatibilities": ["FARGATE"]`), Options{Region: "eu-west-1"},
			`{"awslogs-group":"/ecs/app","awslogs-region":"eu-west-1","awslogs-stream-prefix":"web"}`},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.ExecutionRole = "exec"
			d := read(t, "td.json", c.src)
			found, err := Convert(d, c.o)
			if err != nil || hasError(found) {
				t.Fatal(err, string(describe(found)))
			}
			logs := first(d.Definition().Field("containerDefinitions")).Field("logConfiguration")
			if got := logs.Field("options").Source(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestSecretsStayOut has secrets wherever a definition may hold them, and findings
// about each of these places.
func TestSecretsStayOut(t *testing.T) {
	const secret = "swordfish"
	src := `{"family": "a", "networkMode": "host",
	"volumes": [{"name": "v", "dockerVolumeConfiguration": {"driver": "cifs", "driverOpts": {"o": "password=swordfish"}}}],
	"containerDefinitions": [{"name": "a", "image": "i", "memory": 9, "links": ["b"],
		"command": ["--password=swordfish b:3306 172.17.0.1 $B_PORT_3306_TCP_ADDR swordfish"],
		"environment": [{"name": "A", "value": "mysql://u:swordfish@b:3306/x?y=169.254.169.254&swordfish"},
			{"name": "N", "value": ["swordfish"]}, {"name": "P", "value": "b swordfish"}, "swordfish"],
		"logConfiguration": {"logDriver": "gelf", "options": {"gelf-address": "udp://swordfish", "x": ["swordfish"]}},
		"dockerLabels": {"a": ["swordfish"]}},
	{"name": "b", "image": "i", "memory": 9, "logConfiguration": {"logDriver": "awslogs", "options": {"tag": "swordfish"}}}]}`
	for _, o := range []Options{{}, {RewriteLinks: "all", Allow: allowable()}} {
		found, err := Convert(read(t, "td.json", src), o)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(describe(found)); strings.Contains(text, secret) {
			t.Errorf("a secret shows:\n%s", text)
		}
		if len(found) < 20 {
			t.Errorf("only %d findings", len(found))
		}
	}
}
