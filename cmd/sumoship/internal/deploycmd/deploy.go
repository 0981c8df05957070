// Package deploycmd is sumoship deploy, destroy and rollback: a stack of the release
// that the command comes with, without SAM, Go or a clone.
package deploycmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/doctor"
	"sumoship/sumo"
)

// Parameters of the template that deploy sets itself.
const (
	codeBucket   = "CodeBucket"
	codePrefix   = "CodePrefix"
	previousCode = "PreviousCode"
)

// endpointARN is a parameter that every template has had.
const endpointARN = "SumoEndpointArn"

// target is the stack that a verb is about.
type target struct {
	cli.AWSFlags
	Stack string `help:"Name of the stack. Default: that of the parameters file, or sumoship." placeholder:"NAME"`
	JSON  bool   `name:"json" xor:"result" help:"Write the result as JSON, and the plan to standard error."`
}

type Deploy struct {
	target
	Parameters string            `group:"Settings" help:"Settings in the shape of samconfig.toml: stack_name, region, s3_bucket, tags, parameter_overrides. Default: samconfig.toml, if there is one." placeholder:"FILE"`
	Set        map[string]string `short:"p" mapsep:"none" group:"Settings" help:"Value of a parameter of the template. Repeatable." placeholder:"NAME=VALUE"`
	Bucket     string            `group:"Release" help:"Bucket for the functions, in the Region. Default: sumoship-ACCOUNT-REGION, which is made." placeholder:"NAME"`
	From       string            `group:"Release" help:"Directory with the functions and the template. Default: bucket, beside the command." placeholder:"DIR"`
	DryRun     bool              `help:"Show the plan, and change nothing but the bucket, since CloudFormation reads from it."`
	Diff       bool              `help:"Also show how the template differs from that of the stack."`
	Write      string            `group:"Release" xor:"result" help:"Instead of deploying, write the template and the functions into a directory." placeholder:"DIR"`
	Monitor    time.Duration     `help:"Watch the alarms on loss and errors for this long after an update, and go back if one goes off. 20m sees all of them." placeholder:"TIME"`
	Yes        bool              `short:"y" help:"Do not ask."`
	NoCanary   bool              `help:"Do not send a log event the whole way afterwards."`

	// Canary sends a log event the whole way through a stack, and shows its way.
	Canary func(ctx context.Context, s cli.Streams, at cli.AWSFlags, stack string) (*doctor.Canary, error) `kong:"-"`
}

func (c *Deploy) Help() string {
	return `  sumoship deploy
  sumoship deploy --set Subscription=pattern --dry-run

Uploads the functions of this release, shows what would change as a plan, asks, and
carries it out while it shows what happens. Run it again to update; parameters keep
their values. You need no SAM, Go or clone.

For a new stack, set SUMO_ENDPOINT to the URL of the HTTP Source, or to the ARN of a
secret or SSM parameter that has it; SUMO_TOKEN, if the source has a token. Neither
is shown, and neither is in your shell's history.

Exit status: 0 if the stack is as it should be, 1 if you said no, 2 if the command
is wrong, 3 if AWS refused or the deployment failed, after which CloudFormation has
brought back what was there.`
}

// cloud is what the verbs ask of AWS.
type cloud struct {
	stacks
	bucket  bucketAPI
	alarms  alarms
	account string
	region  string
}

// open reads the AWS configuration, and finds out which account it is of.
func (t *target) open(ctx context.Context) (*cloud, error) {
	if err := t.Named("--stack", &t.Stack); err != nil {
		return nil, err
	}
	cfg, err := t.LoadRegion(ctx)
	if err != nil {
		return nil, err
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("which account? %w", cli.Plain(err)))
	}
	account := aws.ToString(who.Account)
	return &cloud{
		stacks: cloudformation.NewFromConfig(cfg), alarms: cloudwatch.NewFromConfig(cfg), account: account, region: cfg.Region,
		bucket: bucketAPI{client: s3.NewFromConfig(cfg, quiet), account: account, region: cfg.Region},
	}, nil
}

// quiet keeps the SDK from writing that an object has no checksum.
func quiet(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

func (c *Deploy) Run(ctx context.Context, s cli.Streams) error {
	return c.report(s, func(s cli.Streams, r *result) error { return c.deploy(ctx, s, r) })
}

func (c *Deploy) deploy(ctx context.Context, s cli.Streams, r *result) error {
	if err := validMonitoring(c.Monitor); err != nil {
		return err
	}
	release, err := openBundle(c.From, os.Executable)
	if err != nil {
		return err
	}
	if c.Write != "" {
		if err := release.write(c.Write); err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%s has the template and %s of this release\n", c.Write, cli.Count(len(release.archives), "function archive"))
		return nil
	}
	set, err := readSettings(c.Parameters)
	if err != nil {
		return err
	}
	if c.Parameters == "" && set.file != "" {
		fmt.Fprintf(s.Err, "settings of %s\n", set.file)
	}
	maps.Copy(set.parameters, c.Set)
	if err := release.template.check(set.parameters); err != nil {
		return err
	}
	if value := set.parameters["SumoEndpoint"]; value != "" {
		if _, err := sumo.ParseEndpoint(value, set.parameters["SumoToken"]); err != nil {
			return cli.Usagef("SumoEndpoint: %w", err)
		}
	}
	if c.Stack == "" {
		c.Stack = set.stack
	}
	if c.Stack == "" {
		c.Stack = "sumoship"
	}
	if c.Region == "" {
		c.Region = set.region
	}
	at, err := c.open(ctx)
	if err != nil {
		return err
	}
	stack, err := find(ctx, at, c.Stack)
	if err != nil {
		return err
	}
	create, err := ready(stack)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	if create {
		if err := endpoint(set.parameters, s.Getenv); err != nil {
			return err
		}
		if err := release.template.check(set.parameters); err != nil {
			return err
		}
	} else if err := ours(stack); err != nil {
		return err
	}
	watch := unmonitored(stack)
	switch {
	case c.Monitor == 0:
	case create:
		fmt.Fprintln(s.Err, "--monitor is for updates: a new stack has no alarms yet")
	default:
		if watch, err = monitored(ctx, at.alarms, stack, c.Monitor); err != nil {
			return err
		}
	}
	bucket := c.Bucket
	if bucket == "" {
		bucket = set.bucket
	}
	if bucket == "" {
		bucket = bucketName(at.account, at.region)
	}
	made, err := at.bucket.ensure(ctx, bucket, c.Bucket != "" || set.bucket != "")
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	uploaded, err := at.bucket.upload(ctx, s, bucket, release)
	if err != nil {
		return cli.Fail(cli.ExitAWS, err)
	}
	what := "is there"
	if made {
		what = "is new"
	}
	fmt.Fprintf(s.Err, "bucket %s %s; %s uploaded\n", bucket, what, cli.Count(uploaded, "file"))

	set.parameters[codeBucket], set.parameters[codePrefix] = bucket, release.prefix
	if before := parameter(stack, codePrefix); before != "" && before != release.prefix {
		set.parameters[previousCode] = before
	}
	action := updated
	if create {
		action = created
	}
	deployed, err := at.apply(ctx, s, r, change{
		stack: stack, name: c.Stack, create: create, action: action, template: release.template, body: release.body,
		url:        at.bucket.templateURL(bucket, release.prefix+templateName),
		parameters: set.parameters, tags: set.tags, watch: watch, diff: c.Diff, dryRun: c.DryRun, yes: c.Yes,
	})
	if err != nil || deployed == nil || c.NoCanary || c.Canary == nil || output(deployed, "HeartbeatLogGroup") == "" {
		return err
	}
	fmt.Fprintln(s.Out, "a log event all the way (sumoship doctor --canary):")
	r.Canary, err = c.Canary(ctx, s, c.AWSFlags, c.Stack)
	return err
}

// endpoint sets the parameters of the endpoint of a new stack from the environment,
// unless they are given.
func endpoint(parameters map[string]string, getenv func(string) string) error {
	if parameters["SumoEndpoint"] != "" || parameters[endpointARN] != "" {
		return nil
	}
	value := strings.TrimSpace(getenv("SUMO_ENDPOINT"))
	switch {
	case value == "":
		return cli.Usagef("which HTTP Source? Set SUMO_ENDPOINT to its URL, or to the ARN of the secret that has it (--set SumoEndpointArn=ARN)")
	case strings.HasPrefix(value, "arn:"):
		parameters[endpointARN] = value
	default:
		token := strings.TrimSpace(getenv("SUMO_TOKEN"))
		if _, err := sumo.ParseEndpoint(value, token); err != nil {
			return cli.Usagef("SUMO_ENDPOINT: %w", err)
		}
		parameters["SumoEndpoint"] = value
		if token != "" {
			parameters["SumoToken"] = token
		}
	}
	return nil
}

// change is what to change in a stack, and how.
type change struct {
	stack             *types.Stack // nil if there is none
	name              string
	create            bool
	action            string // what the result calls it
	template          template
	body              []byte
	url               string
	parameters, tags  map[string]string
	watch             *types.RollbackConfiguration // nil leaves that of the stack
	diff, dryRun, yes bool
}

// apply shows a change, asks, and carries it out. It returns the changed stack, nil if
// nothing was changed, and fills in the result.
func (c *cloud) apply(ctx context.Context, s cli.Streams, r *result, x change) (deployed *types.Stack, err error) {
	r.Stack, r.Region, r.Account, r.DryRun = x.name, c.region, c.account, x.dryRun
	r.After = &deployment{x.template.version(), x.parameters[codePrefix]}
	if !x.create {
		r.Before = deploymentOf(x.stack)
	}
	if x.diff && !x.create {
		if err := c.writeDiff(ctx, s.Out, x); err != nil {
			return nil, err
		}
	}
	in := &cloudformation.CreateChangeSetInput{
		StackName: &x.name, TemplateURL: &x.url, Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		ChangeSetName: aws.String(fmt.Sprintf("sumoship-%d", time.Now().UnixNano())), Description: aws.String("sumoship deploy"),
		ChangeSetType: types.ChangeSetTypeUpdate, Parameters: x.values(), Tags: x.labels(), RollbackConfiguration: x.watch,
	}
	if x.create {
		in.ChangeSetType = types.ChangeSetTypeCreate
	}
	set, err := prepare(ctx, c, in, x.create)
	if errors.Is(err, errNoChanges) {
		fmt.Fprintf(s.Out, "stack %s is up to date\n", x.name)
		r.Action = unchanged
		if x.stack != nil {
			r.Outputs = outputs(x.stack)
		}
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	executed := false
	defer func() {
		if !executed {
			err = errors.Join(err, set.discard(ctx))
		}
	}()
	minutes := x.minutes()
	if minutes > 0 {
		if err := x.keepsWatched(set.changes); err != nil {
			return nil, err
		}
	}
	verb, what := "update", "update"
	if x.create {
		verb, what = "create", "creation"
	}
	fmt.Fprintf(s.Out, "%s stack %s in %s, account %s, with the functions of %s\n", verb, x.name, c.region, c.account, x.parameters[codePrefix])
	x.writeParameters(s)
	r.Changes = plan(set.changes)
	writePlan(s.Out, r.Changes)
	if minutes > 0 {
		fmt.Fprintf(s.Out, "watched for %s afterwards, and taken back if one goes off: %s\n", cli.Count(minutes, "minute"), strings.Join(x.alarms(), ", "))
	}
	if x.dryRun {
		fmt.Fprintln(s.Out, "dry run: nothing was changed")
		r.Action = x.action
		return nil, nil
	}
	if err := cli.Consent(ctx, s, x.yes, "Deploy?"); err != nil {
		return nil, err
	}
	deployed, err = c.carryOut(ctx, s.Err, work{
		arn: set.stack, what: what + " of stack " + x.name,
		next: fmt.Sprintf("aws cloudformation describe-stack-events --stack-name %s --region %s shows what becomes of it", x.name, c.region),
		begin: func() error {
			if _, err := c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.id, StackName: &set.stack}); err != nil {
				return cli.Fail(cli.ExitAWS, fmt.Errorf("execute the change set: %w", cli.Plain(err)))
			}
			executed = true
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	if deployed == nil {
		return nil, cli.Fail(cli.ExitAWS, fmt.Errorf("stack %s was deleted meanwhile", x.name))
	}
	r.Action, r.Outputs = x.action, outputs(deployed)
	fmt.Fprintf(s.Out, "stack %s: %s\n", x.name, deployed.StackStatus)
	if arn := output(deployed, "ForwarderArn"); arn != "" {
		fmt.Fprintf(s.Out, "forwarder: %s\n", arn)
	}
	if url := output(deployed, "DeadLetterQueueUrl"); url != "" {
		fmt.Fprintf(s.Out, "dead-letter queue: %s\n", url)
	}
	if test := output(deployed, "TestCommand"); test != "" {
		fmt.Fprintf(s.Out, "a log event all the way, by hand:\n  %s\n", test)
	}
	return deployed, nil
}

// values returns the parameters of the change: those given, and otherwise those that
// the stack has.
func (x change) values() (parameters []types.Parameter) {
	has := map[string]bool{}
	if x.stack != nil && !x.create {
		for _, p := range x.stack.Parameters {
			has[aws.ToString(p.ParameterKey)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.template.Parameters)) {
		if value, given := x.parameters[name]; given {
			parameters = append(parameters, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(value)})
		} else if has[name] {
			parameters = append(parameters, types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)})
		}
	}
	return parameters
}

// labels returns the tags of the change: those given, otherwise those that the stack
// has, and always one that says what it is of.
func (x change) labels() (tags []types.Tag) {
	all := map[string]string{"application": "sumoship"}
	if x.stack != nil {
		for _, t := range x.stack.Tags {
			all[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	maps.Copy(all, x.tags)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(all[key])})
	}
	return tags
}

// writeParameters writes the parameters that change, without secrets.
func (x change) writeParameters(s cli.Streams) {
	for _, name := range slices.Sorted(maps.Keys(x.parameters)) {
		value, before := x.parameters[name], parameter(x.stack, name)
		secret := fmt.Sprint(x.template.Parameters[name].NoEcho) == "true"
		switch {
		case name == codeBucket || name == codePrefix || name == previousCode:
		case secret:
			fmt.Fprintf(s.Out, "  %s = (secret)\n", name)
		case x.create:
			fmt.Fprintf(s.Out, "  %s = %s\n", name, value)
		case value != before:
			fmt.Fprintf(s.Out, "  %s = %s, before %q\n", name, value, before)
		}
	}
}
