package fargate

import (
	"net"
	"regexp"
	"strings"

	"sumoship/deploy/finding"
	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// awslogsOptions are the awslogs options that ECS accepts. Docker has more.
// Source: Amazon ECS Developer Guide, "Using the awslogs log driver".
var awslogsOptions = map[string]bool{
	"awslogs-group": true, "awslogs-region": true, "awslogs-stream-prefix": true,
	"awslogs-create-group": true, "awslogs-datetime-format": true, "awslogs-multiline-pattern": true,
	"mode": true, "max-buffer-size": true,
}

var logDestinationAdded = finding.Rule{
	ID: "log-destination-added", Severity: finding.Warning, Action: finding.Set, Source: guideAwslogs,
	Summary: "The container has no log driver. On EC2 its logs were on the instance; on Fargate they would be lost. They now go to CloudWatch Logs.",
	Help:    finding.Advice{finding.CreateLogGroup},
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

var logDestinationLost = finding.Rule{
	ID: "log-destination-lost", Severity: finding.Warning, Action: finding.Rewrite, Source: apiLogs,
	Summary: "The logs went to your own server and now go to CloudWatch Logs: the server no longer receives them.",
	Help:    finding.Advice{"To keep sending them there, use awsfirelens instead; --fluentd firelens does that for fluentd servers outside the instance.", finding.CreateLogGroup},
	Refusal: "it is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]",
}

var logDriverReplaced = finding.Rule{
	ID: "log-driver-replaced", Severity: finding.Warning, Action: finding.Rewrite, Source: apiLogs,
	Summary: "Fargate has the log drivers awslogs, splunk and awsfirelens; the logs now go to CloudWatch Logs.",
	Help:    finding.Advice{finding.CreateLogGroup},
	Refusal: "it is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]",
}

// logs gives each container a log destination. On Fargate the streams of awslogs are
// named prefix/container/task-id.
func (c *converter) logs() {
	router, wanted := c.router(), false
	for _, container := range c.containers {
		configuration := container.Get("logConfiguration")
		switch {
		case configuration == nil:
			c.set(logDestinationAdded, container, "logConfiguration", c.awslogs(container), "")
		case c.unknown(configuration) || configuration.Kind() != tree.Object:
		case c.logDriver(container, configuration, router):
			wanted = true
		}
	}
	if wanted && router == nil {
		c.addRouter()
	}
}

// logDriver keeps, completes or replaces the log driver of a container. It reports
// whether the driver now needs a log router.
func (c *converter) logDriver(container, configuration, router *tree.Node) (routed bool) {
	driver := configuration.Get("logDriver")
	if driver == nil || c.unknown(driver) || driver.Kind() != tree.String {
		return false
	}
	switch name := c.text(driver); name {
	case "awslogs":
		c.completeAwslogs(container, configuration)
	case "splunk":
	case "awsfirelens":
		c.checkRouted(container, configuration, router)
	case "fluentd", "gelf", "syslog", "logentries":
		if name == "fluentd" && c.Fluentd == "firelens" && c.forward(container, configuration, router) {
			return true
		}
		c.replaceDriver(logDestinationLost, container, configuration, "the logs no longer arrive where "+name+" sent them")
	default:
		c.replaceDriver(logDriverReplaced, container, configuration, "Fargate has no log driver "+name)
	}
	return false
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

// awslogs returns the logConfiguration of a container that had another driver or
// none. Like Docker's own drivers it waits for its destination instead of dropping
// lines.
func (c *converter) awslogs(container *tree.Node) *tree.Node {
	var options []tree.Member
	add := func(name string, v *tree.Node) {
		if v != nil {
			options = append(options, tree.Member{Name: name, Value: v})
		}
	}
	add("awslogs-group", c.group(container))
	add("awslogs-region", c.region(container))
	if name := container.Get("name"); name.Kind() == tree.Object { // known at deployment
		add("awslogs-stream-prefix", name)
	} else {
		add("awslogs-stream-prefix", tree.NewString(c.names[container]))
	}
	if !c.fargate {
		add("mode", tree.NewString("blocking"))
	}
	return tree.NewObject(
		tree.Member{Name: "logDriver", Value: tree.NewString("awslogs")},
		tree.Member{Name: "options", Value: tree.NewObject(options...)})
}

// replaceDriver replaces the log driver of a container by awslogs, and names the
// options that are dropped with it.
func (c *converter) replaceDriver(rule finding.Rule, container, configuration *tree.Node, why string) {
	c.dropSecrets(configuration)
	if why == "" {
		why = strings.TrimSuffix(rule.Summary, ".")
	}
	if lost := keys(configuration.Get("options")); lost != "" {
		why += "; its options are dropped: " + lost
	}
	c.rewrite(rule, configuration, c.awslogs(container), "%s", why)
}

var logSecretsDropped = finding.Rule{
	ID: "log-secrets-dropped", Severity: finding.Warning, Action: finding.Drop, Source: apiLogs,
	Summary: "The secretOptions of the replaced log driver are dropped.",
}

func (c *converter) dropSecrets(configuration *tree.Node) {
	if n := configuration.Get("secretOptions"); n.Len() > 0 {
		c.drop(logSecretsDropped, n, "")
	}
}

func keys(n *tree.Node) string {
	var all []string
	for key := range n.Members() {
		all = append(all, key)
	}
	return strings.Join(all, ", ")
}

var logOptionsSet = finding.Rule{
	ID: "log-options-set", Severity: finding.Warning, Action: finding.Rewrite, Source: guideAwslogs,
	Summary: "awslogs has no options here; it needs a group, a region and a prefix.",
	Help:    finding.Advice{finding.CreateLogGroup},
	Refusal: "Log driver awslogs requires options: awslogs-region, awslogs-group",
}

var logOptionDropped = finding.Rule{
	ID: "log-option-dropped", Severity: finding.Warning, Action: finding.Drop, Source: guideAwslogs,
	Summary: "Docker has this awslogs option, but ECS does not accept it.",
	Refusal: "Log driver awslogs disallows options",
}

var logGroupSet = finding.Rule{
	ID: "log-group-set", Severity: finding.Info, Action: finding.Set, Source: guideAwslogs,
	Summary: "awslogs needs a log group.",
	Help:    finding.Advice{"Create it before the first task."},
	Refusal: "Log driver awslogs requires options: awslogs-group",
}

var logRegionSet = finding.Rule{
	ID: "log-region-set", Severity: finding.Info, Action: finding.Set, Source: guideAwslogs,
	Summary: "awslogs needs the Region of the log group.",
	Refusal: "Log driver awslogs requires options: awslogs-region",
}

var logStreamPrefixSet = finding.Rule{
	ID: "log-stream-prefix-set", Severity: finding.Info, Action: finding.Set, Source: guideAwslogs,
	Summary: "On Fargate awslogs needs a stream prefix; the streams are then named prefix/container/task-id.",
	Help:    finding.Advice{"Update searches for the old stream names, which were container IDs: they find nothing new."},
	Refusal: "Fargate requires log configuration options to include awslogs-stream-prefix",
}

var logModeSet = finding.Rule{
	ID: "log-mode-set", Severity: finding.Warning, Action: finding.Set, Source: guideAwslogs,
	Summary: "Until June 2025 awslogs without mode waited for CloudWatch Logs; now it drops lines that do not fit into its buffer. Mode blocking loses none.",
	Help:    finding.Advice{"Use mode non-blocking where the application must never wait for its logs."},
}

var logMultilineConflict = finding.Rule{
	ID: "log-multiline-conflict", Severity: finding.Error, Action: finding.Refuse, Source: guideAwslogs,
	Summary: "awslogs accepts awslogs-datetime-format or awslogs-multiline-pattern, not both.",
	Help:    finding.Advice{"Remove one."},
}

// completeAwslogs adds the awslogs options that Fargate wants, and drops those that
// ECS does not accept.
func (c *converter) completeAwslogs(container, configuration *tree.Node) {
	options := configuration.Get("options")
	if options == nil {
		c.rewrite(logOptionsSet, configuration, c.awslogs(container), "")
		return
	}
	if c.unknown(options) || options.Kind() != tree.Object {
		return
	}
	for key, n := range options.Members() {
		if !awslogsOptions[key] {
			c.drop(logOptionDropped, n, "ECS does not accept the awslogs option %s", key)
		}
	}
	has := func(key string) bool {
		n := options.Key(key)
		return n != nil && n.Kind() != tree.Null && (n.Kind() != tree.String || n.Identity() != "")
	}
	if !has("awslogs-group") {
		if group := c.group(container); group != nil {
			c.setOption(logGroupSet, options, "awslogs-group", group, "")
		}
	}
	if !has("awslogs-region") {
		if region := c.region(container); region != nil {
			c.setOption(logRegionSet, options, "awslogs-region", region, "")
		}
	}
	if !has("awslogs-stream-prefix") {
		c.setOption(logStreamPrefixSet, options, "awslogs-stream-prefix", tree.NewString("ecs"), "")
	}
	switch mode := options.Key("mode"); {
	case has("mode"):
		if v := c.text(mode); !mode.Opaque() && v != "blocking" && v != "non-blocking" {
			c.Fail(valueInvalid, mode, "invalid mode %q: want blocking or non-blocking", v)
		}
	case !c.fargate:
		c.setOption(logModeSet, options, "mode", tree.NewString("blocking"), "")
	}
	if has("awslogs-datetime-format") && has("awslogs-multiline-pattern") {
		c.Fail(logMultilineConflict, options, "")
	}
}

var logGroupUnknown = finding.Rule{
	ID: "log-group-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideAwslogs,
	Summary: "awslogs needs a log group, and the definition has no family to name it after.",
	Help:    finding.Advice{"Give the group with --log-group, or the family with --family."},
}

// group returns the log group for a container that names none, nil if nothing gives
// one.
func (c *converter) group(container *tree.Node) *tree.Node {
	if c.LogGroup != "" {
		return tree.NewString(c.LogGroup)
	}
	if s, ok := c.def.Get("family").Text(); ok && s != "" {
		return tree.NewString("/ecs/" + s)
	}
	if c.template {
		return tree.NewObject(tree.Member{Name: "Fn::Sub", Value: tree.NewString("/ecs/${AWS::StackName}")})
	}
	c.failOnce(logGroupUnknown, container)
	return nil
}

var (
	arnRegion   = regexp.MustCompile(`^arn:[a-z-]+:[a-z0-9-]+:([a-z]{2}(?:-[a-z]+)+-\d+):`)
	imageRegion = regexp.MustCompile(`^\d{12}\.dkr[.-]ecr(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.`)
)

var logRegionUnknown = finding.Rule{
	ID: "log-region-unknown", Severity: finding.Error, Action: finding.Refuse, Source: guideAwslogs,
	Summary: "awslogs needs the Region of the log group, and nothing in the definition names one.",
	Help:    finding.Advice{"Give it with --region."},
}

// region returns the Region of the log group for a container that names none: from
// the options, another container, the stack, or the ARNs of the definition, its
// secrets and images; nil if nothing gives one.
func (c *converter) region(container *tree.Node) *tree.Node {
	if c.Region != "" {
		return tree.NewString(c.Region)
	}
	for _, other := range c.containers {
		n := other.Get("logConfiguration").Get("options").Key("awslogs-region")
		if s, ok := n.Text(); ok && s != "" || n.Opaque() {
			return n
		}
	}
	if c.template {
		return tree.NewObject(tree.Member{Name: "Ref", Value: tree.NewString("AWS::Region")})
	}
	if r := submatch(arnRegion, c.def.Get("taskDefinitionArn")); r != "" {
		return tree.NewString(r)
	}
	for _, other := range c.containers {
		if r := submatch(imageRegion, other.Get("image")); r != "" {
			return tree.NewString(r)
		}
		for _, secret := range other.Get("secrets").Elements() {
			if r := submatch(arnRegion, secret.Get("valueFrom")); r != "" {
				return tree.NewString(r)
			}
		}
	}
	c.failOnce(logRegionUnknown, container)
	return nil
}

func submatch(pattern *regexp.Regexp, n *tree.Node) string {
	s, _ := n.Text()
	if m := pattern.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
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
