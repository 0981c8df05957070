package service_test

import (
	"errors"
	"strings"
	"testing"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/service"
)

// wantOptionError checks that an error is about an option, and says what to write.
func wantOptionError(t *testing.T, err error, option string) {
	t.Helper()
	o, ok := errors.AsType[*finding.OptionError](err)
	if !ok || o.Option != option || o.Want == "" {
		t.Errorf("got %v, want an error of %s", err, option)
	}
}

func TestOptions(t *testing.T) {
	const listener = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/main/0123456789abcdef/0123456789abcdef"
	for name, c := range map[string]struct {
		option string
		o      service.Options
	}{
		"no name":                {"Name", service.Options{}},
		"name":                   {"Name", service.Options{Name: "a b"}},
		"cluster":                {"Cluster", service.Options{Name: "a", Cluster: "arn:aws:ecs:x"}},
		"vpc":                    {"VPC", service.Options{Name: "a", VPC: "vpc-1"}},
		"subnet":                 {"Subnets", service.Options{Name: "a", Subnets: []string{"subnet-0a1b2c3d", "subnet-0A1B2C3D"}}},
		"subnet twice":           {"Subnets", service.Options{Name: "a", Subnets: []string{"subnet-0a1b2c3d", "subnet-0a1b2c3d"}}},
		"group":                  {"SecurityGroups", service.Options{Name: "a", SecurityGroups: []string{"default"}}},
		"listener of an NLB":     {"Listener", service.Options{Name: "a", Paths: []string{"/"}, Listener: strings.Replace(listener, "/app/", "/net/", 1)}},
		"listener without path":  {"Paths", service.Options{Name: "a", Listener: listener}},
		"path":                   {"Paths", service.Options{Name: "a", Paths: []string{"shop"}}},
		"six paths":              {"Paths", service.Options{Name: "a", Paths: []string{"/1", "/2", "/3", "/4", "/5", "/6"}}},
		"host":                   {"Hosts", service.Options{Name: "a", Hosts: []string{"https://x"}}},
		"priority":               {"Priority", service.Options{Name: "a", Paths: []string{"/"}, Priority: 50001}},
		"priority without path":  {"Priority", service.Options{Name: "a", Priority: 1}},
		"port":                   {"Port", service.Options{Name: "a", Port: 65536}},
		"load balancer group":    {"LoadBalancerSG", service.Options{Name: "a", LoadBalancerSG: "x"}},
		"load balancer name":     {"LoadBalancerDNS", service.Options{Name: "a", LoadBalancerDNS: "x"}},
		"load balancer zone":     {"LoadBalancerZone", service.Options{Name: "a", LoadBalancerZone: "x"}},
		"health check":           {"HealthCheckPath", service.Options{Name: "a", HealthCheckPath: "health"}},
		"record":                 {"RecordName", service.Options{Name: "a", RecordName: "a b", Paths: []string{"/"}}},
		"record without path":    {"RecordName", service.Options{Name: "a", RecordName: "a.example.com"}},
		"zone":                   {"HostedZone", service.Options{Name: "a", HostedZone: "/hostedzone/Z1", Paths: []string{"/"}, RecordName: "a.example.com"}},
		"zone without record":    {"RecordName", service.Options{Name: "a", HostedZone: "Z1", Paths: []string{"/"}}},
		"database":               {"DatabaseSG", service.Options{Name: "a", DatabaseSG: "db", DatabasePort: 1}},
		"database without port":  {"DatabasePort", service.Options{Name: "a", DatabaseSG: "sg-0a1b2c3d"}},
		"database without group": {"DatabaseSG", service.Options{Name: "a", DatabasePort: 3306}},
		"forwarder":              {"Forwarder", service.Options{Name: "a", Forwarder: "sumoship-forwarder"}},
		"retention":              {"Retention", service.Options{Name: "a", Retention: 31}},
		"count":                  {"DesiredCount", service.Options{Name: "a", DesiredCount: new(-1)}},
		"on demand":              {"OnDemand", service.Options{Name: "a", OnDemand: 1}},
		"target":                 {"Target", service.Options{Name: "a", Conversion: fargate.Options{Target: "managed-instances"}}},
		"of the conversion":      {"Arch", service.Options{Name: "a", Conversion: fargate.Options{Arch: "mips"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := shopTask(t, c.o).new(t)
			wantOptionError(t, err, c.option)
		})
	}
}

// A service that is behind a load balancer needs a path or a host.
func TestPathOfABalancedService(t *testing.T) {
	_, err := shop(t, service.Options{Name: "a"}).new(t)
	wantOptionError(t, err, "Paths")
}

// The template does not extend a role that the definition names.
func TestAllowWithAKeptRole(t *testing.T) {
	_, err := shape(t, "roles-kept").with(service.Options{Name: "a", Roles: iam.Options{Allow: grants(t, "exec")}}).new(t)
	wantOptionError(t, err, "TaskAllow")
}
