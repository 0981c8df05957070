package service

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sumoship/deploy/fargate"
	"sumoship/deploy/finding"
	"sumoship/deploy/iam"
	"sumoship/deploy/subscription"
	"sumoship/deploy/taskdef"
)

// Options configure the resources around a task on Fargate. A zero value that
// differs by account becomes a parameter without a default.
type Options struct {
	Conversion fargate.Options // of a definition that was written for EC2

	Name         string // of the service; "" is that of the existing one
	Cluster      string // name or ARN; "" is that of the existing service, or "default"
	DesiredCount *int   // tasks; nil is that of the existing service, or 1
	Spot         bool   // run on Fargate Spot
	OnDemand     int    // with Spot, tasks that do not

	VPC            string   // ID
	Subnets        []string // IDs
	SecurityGroups []string // IDs of groups that the tasks have besides their own
	Clients        []string // IDs of groups that reach the ports of the tasks, such as those of clients by service discovery
	PublicIP       bool     // for public subnets, without a NAT gateway

	Container         string      // behind the load balancer; "" is that of the existing service, or the first essential one with a port
	Port              int         // of that container; 0 is its first
	Paths, Hosts      []string    // path patterns and host names of the listener rule
	Listener          string      // ARN, of an Application Load Balancer
	Priority          int         // of the listener rule, 1 to 50000
	LoadBalancerSG    string      // ID of its security group
	LoadBalancerDNS   string      // its DNS name, for RecordName
	LoadBalancerZone  string      // its canonical hosted zone ID, for RecordName
	HealthCheckPath   string      // "" is /
	HealthCheckGrace  *int        // seconds; nil is that of the existing service, or 60
	RecordName        string      // DNS name of the service
	HostedZone        string      // ID of the hosted zone of RecordName
	DatabaseSG        string      // ID of the security group of a database
	DatabasePort      int         // of the database
	Forwarder         string      // ARN of the function that log groups are subscribed to
	NoSubscription    bool        // do not subscribe log groups
	PermitForwarder   bool        // let CloudWatch Logs invoke the forwarder, which its own stack does by default
	Retention         int         // of log groups, in days; 0 is 30
	ExistingLogGroups bool        // the log groups exist
	NewRoles          bool        // replace the roles that the definition names
	Roles             iam.Options // of the roles that the template creates
	Ecspresso         bool        // write for ecspresso, not a template
}

var (
	clusterName = regexp.MustCompile(`^([A-Za-z0-9_-]{1,255}|arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:cluster/[A-Za-z0-9_-]{1,255})$`)
	vpcID       = regexp.MustCompile(`^vpc-([0-9a-f]{8}|[0-9a-f]{17})$`)
	subnetID    = regexp.MustCompile(`^subnet-([0-9a-f]{8}|[0-9a-f]{17})$`)
	groupID     = regexp.MustCompile(`^sg-([0-9a-f]{8}|[0-9a-f]{17})$`)
	listenerARN = regexp.MustCompile(`^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:listener/app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}/[0-9a-f]{16}$`)
	balancerARN = regexp.MustCompile(`^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:loadbalancer/(app|net)/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}$`)
	groupARN    = regexp.MustCompile(`^(arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]{16})?$`)
	zoneID      = regexp.MustCompile(`^Z[A-Z0-9]{1,31}$`)
	dnsName     = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$`)
	hostPattern = regexp.MustCompile(`^[A-Za-z0-9.*?-]{1,128}$`)
	pathPattern = regexp.MustCompile("^[/*?][A-Za-z0-9_.$/~\"'@:+&*?-]{0,127}$")
	healthPath  = regexp.MustCompile(`^/[!-~]*$`)
)

const defaultRetention = 30 // days

// ruleValues is the number of values that all conditions of a listener rule can
// have.
//
// Source: Elastic Load Balancing User Guide, "Quotas for your Application Load
// Balancers".
const ruleValues = 5

func (o *Options) validate() error {
	if err := o.Conversion.Validate(); err != nil {
		return err
	}
	if t := o.Conversion.Target; t != "" && t != "fargate" {
		return &finding.OptionError{Option: "Target", Value: t, Want: "fargate: the template is that of a service on Fargate"}
	}
	type check struct {
		option, value string
		pattern       *regexp.Regexp
		want          string
	}
	checks := []check{
		{"Name", o.Name, taskdef.ECSName, "1 to 255 letters, digits, _ and -"},
		{"Cluster", o.Cluster, clusterName, "the name of a cluster, or its ARN, such as arn:aws:ecs:us-east-1:111122223333:cluster/shop"},
		{"VPC", o.VPC, vpcID, "a VPC, such as vpc-0a1b2c3d4e5f60718"},
		{"Listener", o.Listener, listenerARN, "the ARN of a listener of an Application Load Balancer, such as arn:aws:elasticloadbalancing:us-east-1:111122223333:listener/app/NAME/0123456789abcdef/0123456789abcdef"},
		{"LoadBalancerSG", o.LoadBalancerSG, groupID, wantGroup},
		{"LoadBalancerDNS", o.LoadBalancerDNS, dnsName, "the DNS name of the load balancer, such as NAME-1234567890.us-east-1.elb.amazonaws.com"},
		{"LoadBalancerZone", o.LoadBalancerZone, zoneID, "the canonical hosted zone ID of the load balancer, such as Z35SXDOTRQ7X7K"},
		{"HealthCheckPath", o.HealthCheckPath, healthPath, "a path, such as /health"},
		{"RecordName", o.RecordName, dnsName, "a DNS name, such as shop.example.com"},
		{"HostedZone", o.HostedZone, zoneID, "the ID of a hosted zone, such as Z0123456789ABCDEFGHIJ"},
		{"DatabaseSG", o.DatabaseSG, groupID, wantGroup},
	}
	if err := o.validateLists(); err != nil {
		return err
	}
	for _, c := range checks {
		if c.value != "" && !c.pattern.MatchString(c.value) {
			return &finding.OptionError{Option: c.option, Value: c.value, Want: c.want}
		}
	}
	for _, c := range []struct {
		option          string
		value, min, max int
	}{
		{"Port", o.Port, 1, 65535}, {"DatabasePort", o.DatabasePort, 1, 65535}, {"Priority", o.Priority, 1, 50000}, {"OnDemand", o.OnDemand, 1, 100000},
		{"DesiredCount", deref(o.DesiredCount), 0, 10000}, {"HealthCheckGrace", deref(o.HealthCheckGrace), 0, 1<<31 - 1},
	} {
		if c.value != 0 && (c.value < c.min || c.value > c.max) {
			return &finding.OptionError{Option: c.option, Value: strconv.Itoa(c.value), Want: strconv.Itoa(c.min) + " to " + strconv.Itoa(c.max)}
		}
	}
	if d, err := subscription.ParseDestination(o.Forwarder); o.Forwarder != "" && (err != nil || !d.NeedsPermission()) {
		return &finding.OptionError{Option: "Forwarder", Value: o.Forwarder, Want: "the ARN of a Lambda function, such as arn:aws:lambda:us-east-1:111122223333:function:sumoship-forwarder"}
	}
	if err, ok := errors.AsType[*subscription.RetentionError](subscription.CheckRetention(o.Retention)); ok {
		return &finding.OptionError{Option: "Retention", Value: strconv.Itoa(err.Days), Want: err.Want}
	}
	return o.validateTogether()
}

const (
	wantGroup = "a security group, such as sg-0a1b2c3d4e5f60718"
	wantPath  = "a path pattern, such as /shop/*"
)

// validateLists checks the options that take several values.
func (o *Options) validateLists() error {
	for _, list := range []struct {
		option  string
		values  []string
		pattern *regexp.Regexp
		want    string
	}{
		{"Subnets", o.Subnets, subnetID, "a subnet, such as subnet-0a1b2c3d4e5f60718"},
		{"SecurityGroups", o.SecurityGroups, groupID, wantGroup},
		{"Clients", o.Clients, groupID, wantGroup},
		{"Paths", o.Paths, pathPattern, wantPath},
		{"Hosts", o.Hosts, hostPattern, "a host name, such as shop.example.com or *.example.com"},
	} {
		for i, v := range list.values {
			if slices.Contains(list.values[:i], v) {
				return &finding.OptionError{Option: list.option, Value: v, Want: "each value once"}
			}
			if !list.pattern.MatchString(v) {
				return &finding.OptionError{Option: list.option, Value: v, Want: list.want}
			}
		}
	}
	return nil
}

// validateTogether checks options that need others.
func (o *Options) validateTogether() error {
	balanced := o.balanced()
	switch {
	case len(o.Paths)+len(o.Hosts) > ruleValues:
		return &finding.OptionError{Option: "Paths", Value: strings.Join(append(slices.Clone(o.Paths), o.Hosts...), ","), Want: "at most 5 paths and hosts together, the limit of a listener rule"}
	case o.Listener != "" && !balanced:
		return &finding.OptionError{Option: "Paths", Value: "", Want: wantPath + ", or a host, for the listener rule"}
	case !balanced && o.RecordName != "":
		return &finding.OptionError{Option: "RecordName", Value: o.RecordName, Want: "a path or host with it, because only a service behind a load balancer has one"}
	case !balanced && o.Priority != 0:
		return &finding.OptionError{Option: "Priority", Value: strconv.Itoa(o.Priority), Want: "a path or host with it, because only a service behind a load balancer has one"}
	case o.HostedZone != "" && o.RecordName == "":
		return &finding.OptionError{Option: "RecordName", Value: "", Want: "the DNS name of the record in the hosted zone"}
	case o.DatabaseSG != "" && o.DatabasePort == 0:
		return &finding.OptionError{Option: "DatabasePort", Value: "", Want: "the port of the database, such as 3306 or 5432"}
	case o.DatabasePort != 0 && o.DatabaseSG == "":
		return &finding.OptionError{Option: "DatabaseSG", Value: "", Want: wantGroup + ", of the database"}
	case o.OnDemand != 0 && !o.Spot:
		return &finding.OptionError{Option: "OnDemand", Value: strconv.Itoa(o.OnDemand), Want: "Spot with it, because without Spot all tasks are on demand"}
	}
	return nil
}

func deref(i *int) int {
	if i == nil {
		return 0
	}
	return *i
}

// balanced reports whether the service is behind a load balancer.
func (o *Options) balanced() bool { return len(o.Paths)+len(o.Hosts) > 0 }
