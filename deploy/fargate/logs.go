package fargate

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/finding"
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
		case configuration == nil && c.judging && c.fargate:
			c.Report(logDestinationAdded, finding.Set, container, "the container has no log driver, so its logs are lost")
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
	name := c.text(driver)
	if _, _, branch := driver.Branch(); branch && !slices.Contains([]string{"awslogs", "splunk", "awsfirelens"}, name) {
		// Its options are those of another branch too.
		c.set(logDriverReplaced, configuration, "logDriver", tree.NewString("awslogs"), "Fargate has no log driver %s", name)
		name = "awslogs"
	}
	switch name {
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

// awslogs returns the logConfiguration of a container that had another driver or
// none.
func (c *converter) awslogs(container *tree.Node) *tree.Node {
	var options []tree.Member
	add := func(name string, v *tree.Node) {
		if v != nil {
			options = append(options, tree.Member{Name: name, Value: v})
		}
	}
	c.modeRisk()
	add("awslogs-group", c.group(container))
	add("awslogs-region", c.region(container))
	if name := container.Get("name"); name.Kind() == tree.Object { // known at deployment
		add("awslogs-stream-prefix", name)
	} else {
		add("awslogs-stream-prefix", tree.NewString(c.names[container]))
	}
	if !c.fargate {
		options = append(options, c.modeOptions()...)
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
	ID: "log-options-set", Severity: finding.Warning, Action: finding.Set, Source: guideAwslogs,
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
	Help:    finding.Advice{finding.CreateLogGroup},
	Refusal: "Log driver awslogs requires options: awslogs-group",
}

var logRegionSet = finding.Rule{
	ID: "log-region-set", Severity: finding.Info, Action: finding.Set, Source: guideAwslogs,
	Summary: "awslogs needs the Region of the log group.",
	Refusal: "Log driver awslogs requires options: awslogs-region",
}

var logStreamPrefixSet = finding.Rule{
	ID: "log-stream-prefix-set", Usual: true, Severity: finding.Info, Action: finding.Set, Source: guideAwslogs,
	Summary: "On Fargate awslogs needs a stream prefix; the streams are then named prefix/container/task-id.",
	Help:    finding.Advice{"Update searches for the old stream names, which were container IDs: they find nothing new."},
	Refusal: "Fargate requires log configuration options to include awslogs-stream-prefix",
}

var logModeSet = finding.Rule{
	ID: "log-mode-set", Usual: true, Severity: finding.Info, Action: finding.Set, Source: guideAwslogs,
	Summary: "Until June 2025 awslogs without mode was blocking; now it is non-blocking, unless the definition or the account says otherwise.",
}

var logMode = finding.Rule{
	ID: "log-mode", Severity: finding.Warning, Action: finding.Keep, Source: guideAwslogs,
	Summary: "Mode blocking loses no line, but the application waits while CloudWatch Logs does not take its lines; mode non-blocking drops those that do not fit into its buffer.",
	Help:    finding.Advice{"Choose with --log-mode blocking, non-blocking:SIZE, or keep, which leaves it to the account."},
}

// modeOptions returns the options that choose the mode of awslogs. The default is
// blocking, unless the account has chosen: docs/fargate.md has the reason.
func (c *converter) modeOptions() []tree.Member {
	mode, size, sized := strings.Cut(c.LogMode, ":")
	switch {
	case mode == "keep" || mode == "" && c.AccountLogMode != "":
		return nil
	case mode == "":
		mode = "blocking"
	}
	options := []tree.Member{{Name: "mode", Value: tree.NewString(mode)}}
	if sized {
		options = append(options, tree.Member{Name: "max-buffer-size", Value: tree.NewString(size)})
	}
	return options
}

// modeRisk reports, once, what the mode of the containers without one means.
func (c *converter) modeRisk() {
	if c.fargate || c.Has(logMode) {
		return
	}
	why := "no mode is given: the account setting defaultLogDriverMode decides, and where it is not set, ECS drops lines that do not fit into the buffer (non-blocking)"
	if c.AccountLogMode != "" {
		why = "no mode is given, so the account's setting defaultLogDriverMode decides: " + c.AccountLogMode + ", " + risks[c.AccountLogMode]
	}
	if options := c.modeOptions(); len(options) > 0 {
		mode := options[0].Value.Str()
		why = "the containers get mode " + mode + ": " + risks[mode]
	}
	c.Note(logMode, c.def, "%s", why)
}

var risks = map[string]string{
	"blocking": "no line is lost, but an application waits while CloudWatch Logs does not take its lines, and a container does not start " +
		"where CloudWatch Logs cannot be reached",
	"non-blocking": "an application never waits, but lines that do not fit into the buffer are dropped, and nothing says so",
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
		c.set(logOptionsSet, configuration, "options", c.awslogs(container).Field("options"), "")
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
	setMissing := func(rule finding.Rule, key string, value func(*tree.Node) *tree.Node) {
		if hasOption(options, key) {
			return
		}
		if v := value(container); v != nil {
			c.setOption(rule, options, key, v, "")
		}
	}
	setMissing(logGroupSet, "awslogs-group", c.group)
	setMissing(logRegionSet, "awslogs-region", c.region)
	setMissing(logStreamPrefixSet, "awslogs-stream-prefix", func(*tree.Node) *tree.Node { return tree.NewString("ecs") })
	c.logMode(options)
	if hasOption(options, "awslogs-datetime-format") && hasOption(options, "awslogs-multiline-pattern") {
		c.Fail(logMultilineConflict, options, "")
	}
}

func hasOption(options *tree.Node, key string) bool {
	n := options.Key(key)
	return n != nil && n.Kind() != tree.Null && (n.Kind() != tree.String || n.Identity() != "")
}

// logMode checks mode, and sets what its default was on EC2.
func (c *converter) logMode(options *tree.Node) {
	if hasOption(options, "mode") {
		mode := options.Key("mode")
		if v := c.text(mode); !mode.Opaque() && v != "blocking" && v != "non-blocking" {
			c.Fail(valueInvalid, mode, "invalid mode %q: want blocking or non-blocking", v)
		}
		return
	}
	if c.fargate {
		return
	}
	for _, o := range c.modeOptions() {
		if !hasOption(options, o.Name) {
			c.setOption(logModeSet, options, o.Name, o.Value, "")
		}
	}
	c.modeRisk()
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
// secrets and images, or what is around; nil if nothing gives one.
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
	if c.DefaultRegion != "" {
		return tree.NewString(c.DefaultRegion)
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
