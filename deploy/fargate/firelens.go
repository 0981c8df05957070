package fargate

import (
	"net"
	"strings"
	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

var windowsFirelens = finding.Rule{
	ID: "windows-firelens", Severity: finding.Error, Action: finding.Refuse, Source: guideWindows,
	Summary: "Windows containers on Fargate do not support awsfirelens.",
	Help:    finding.Advice{"Use awslogs."},
	Allow:   "the logs go to CloudWatch Logs, and the log router loses its configuration.",
	Refusal: "Windows tasks do not support awsfirelens",
}

var firelensConfigS3 = finding.Rule{
	ID: "firelens-config-s3", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS API Reference, FirelensConfiguration",
	Summary: "On Fargate the log router cannot load its configuration from S3 with config-file-type.",
	Help:    finding.Advice{"Use the init image of aws-for-fluent-bit with the variable aws_fluent_bit_init_s3_1, or build the file into the image."},
	Allow:   "the options that name the file are dropped.",
	Refusal: "Fargate launch type does not support FirelensConfiguration config file from 's3'",
}

func (c *converter) firelens(container *tree.Node) {
	n := container.Get("firelensConfiguration")
	if n == nil || c.unknown(n) {
		return
	}
	if c.windows {
		c.refuseOrDrop(windowsFirelens, n, "")
		return
	}
	options := n.Get("options")
	if kind := options.Key("config-file-type"); kind != nil && !c.unknown(kind) && kind.Identity() == "s3" {
		if c.Refuse(firelensConfigS3, kind, "") {
			c.drop(firelensConfigS3, kind, "")
			if file := options.Key("config-file-value"); file != nil {
				c.drop(firelensConfigS3, file, "")
			}
		}
	}
}

var logRouterOwnLogs = finding.Rule{
	ID: "log-router-own-logs", Severity: finding.Warning, Action: finding.Rewrite, Source: guideFirelens,
	Summary: "The log router would send its own logs to itself; they now go to CloudWatch Logs.",
}

var logRouterMissing = finding.Rule{
	ID: "log-router-missing", Severity: finding.Error, Action: finding.Refuse, Source: guideFirelens,
	Summary: "A container uses awsfirelens, but none has firelensConfiguration.",
	Help:    finding.Advice{"Add a log router."},
}

// checkRouted checks that something routes the logs of awsfirelens, and not to
// itself.
func (c *converter) checkRouted(container, configuration, router *tree.Node) {
	switch {
	case c.windows:
		if c.Refuse(windowsFirelens, configuration, "") {
			c.replaceDriver(windowsFirelens, container, configuration, "")
		}
	case container.Get("firelensConfiguration") != nil:
		c.replaceDriver(logRouterOwnLogs, container, configuration, "")
	case router == nil && !c.containersUnknown:
		c.Fail(logRouterMissing, configuration, "")
	}
}

// router returns the container that routes the logs of awsfirelens, if any.
func (c *converter) router() *tree.Node {
	for _, container := range c.containers {
		if container.Get("firelensConfiguration") != nil {
			return container
		}
	}
	return nil
}

var logFluentdFirelens = finding.Rule{
	ID: "log-fluentd-firelens", Severity: finding.Warning, Action: finding.Rewrite, Source: guideFirelens,
	Summary: "The logs go to the same fluentd server through a log router, as requested.",
	Help:    finding.Advice{"Make sure that the server accepts the forward protocol from the service's subnets."},
	Refusal: "fluentd is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]",
}

// forward turns the fluentd driver into awsfirelens with Fluent Bit's forward
// output, which sends to the same server. It reports whether it could.
//
// Source: Fluent Bit manual, "Forward"; Docker documentation, "Fluentd logging
// driver".
func (c *converter) forward(container, configuration, router *tree.Node) bool {
	if c.windows || container.Get("firelensConfiguration") != nil ||
		router != nil && router.Get("firelensConfiguration").Get("type").Identity() != "fluentbit" {
		return false
	}
	options := configuration.Get("options")
	address, _ := options.Key("fluentd-address").Text()
	to, ok := forwardOutput(address)
	if !ok {
		return false
	}
	kept := map[string]bool{"fluentd-address": true}
	if tag := options.Key("tag"); tag != nil && !tag.Opaque() { // Docker expands {{.Name}}, Fluent Bit does not
		kept["tag"] = true
		to = append(to, tree.Member{Name: "Tag", Value: tag})
	}
	var lost []string
	for key := range options.Members() {
		if !kept[key] {
			lost = append(lost, key)
		}
	}
	why := "the log router sends to the same server with the forward protocol"
	if len(lost) > 0 {
		why += "; dropped options: " + strings.Join(lost, ", ")
	}
	c.dropSecrets(configuration)
	c.rewrite(logFluentdFirelens, configuration, tree.NewObject(
		tree.Member{Name: "logDriver", Value: tree.NewString("awsfirelens")},
		tree.Member{Name: "options", Value: tree.NewObject(to...)}), "%s", why)
	return true
}

// forwardOutput returns the options of Fluent Bit's forward output for an address of
// the fluentd driver; false if the server is on the instance, or unknown.
func forwardOutput(address string) (options []tree.Member, ok bool) {
	if placeholder(address) {
		return nil, false
	}
	scheme, hostport, found := strings.Cut(address, "://")
	if !found {
		scheme, hostport = "tcp", address
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, "24224"
	}
	switch host {
	case "", "localhost", loopback, "::1", "172.17.0.1", "host.docker.internal":
		return nil, false
	}
	options = []tree.Member{
		{Name: "Name", Value: tree.NewString("forward")},
		{Name: "Host", Value: tree.NewString(host)},
		{Name: "Port", Value: tree.NewString(port)},
	}
	switch scheme {
	case "tcp":
		return options, true
	case "tls":
		return append(options, tree.Member{Name: "tls", Value: tree.NewString("on")}), true
	}
	return nil, false
}

// routerImage is AWS's build of Fluent Bit.
// Source: Amazon ECS Developer Guide, "Using Fluent Bit images".
const routerImage = "public.ecr.aws/aws-observability/aws-for-fluent-bit:stable"

var containersTooMany = finding.Rule{
	ID: "containers-too-many", Severity: finding.Error, Action: finding.Refuse, Source: "Amazon ECS service quotas",
	Summary: "A task has at most 10 containers.",
	Help:    finding.Advice{"Remove one, or split the task."},
}

var logRouterAdded = finding.Rule{
	ID: "log-router-added", Severity: finding.Info, Action: finding.Set, Source: guideFirelens,
	Summary: "awsfirelens hands the logs to a container with AWS's build of Fluent Bit, whose own logs go to CloudWatch Logs.",
}

// addRouter adds the container that awsfirelens hands the logs to. Its own logs go
// through awslogs.
func (c *converter) addRouter() {
	if len(c.containers) >= taskdef.MaxContainers {
		c.Fail(containersTooMany, c.def, "with the log router there are %d containers; ECS accepts %d", len(c.containers)+1, taskdef.MaxContainers)
		return
	}
	name := "log_router"
	for c.byName[name] != nil {
		name += "_"
	}
	router := tree.NewObject()
	c.names[router] = name
	logs := c.awslogs(router)
	router = c.put(logRouterAdded, c.def.Get("containerDefinitions"), tree.NewObject(
		tree.Member{Name: "name", Value: tree.NewString(name)},
		tree.Member{Name: "image", Value: tree.NewString(routerImage)},
		tree.Member{Name: "essential", Value: tree.NewBool(true)},
		tree.Member{Name: "memoryReservation", Value: tree.NewInt(50)},
		tree.Member{Name: "firelensConfiguration", Value: tree.NewObject(tree.Member{Name: "type", Value: tree.NewString("fluentbit")})},
		tree.Member{Name: "logConfiguration", Value: logs}), "")
	c.containers = append(c.containers, router)
	c.names[router], c.byName[name] = name, router
}
