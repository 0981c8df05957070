package fargatecmd

import (
	"cmp"
	"context"
	"errors"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/deploy/fargate"
	"sumoship/deploy/iam"
)

// ruleFlags are the choices that rules leave to the user.
type ruleFlags struct {
	Region        string            `option:"Region" help:"AWS Region of the log groups, and of --from-ecs." placeholder:"REGION"`
	ExecutionRole string            `option:"ExecutionRole" help:"Execution role, for a definition without one." placeholder:"ARN"`
	TaskRole      string            `option:"TaskRole" help:"Task role, for a definition without one." placeholder:"ARN"`
	LogGroup      string            `option:"LogGroup" help:"Log group of containers that get awslogs. Default: /ecs/FAMILY." placeholder:"NAME"`
	LogMode       string            `option:"LogMode" help:"Mode of awslogs where none is given: blocking, non-blocking or non-blocking:SIZE (such as 25m), or keep, which leaves it to the account. Default: the account's setting with --from-ecs, if it has one, or blocking." placeholder:"MODE"`
	Arch          string            `option:"Arch" help:"Architecture, for a definition that does not name it: x86_64 or arm64." placeholder:"ARCH"`
	FamilySuffix  string            `option:"FamilySuffix" type:"hyphenated" help:"Append this to the family, as in -fargate." placeholder:"SUFFIX"`
	KeepEC2       bool              `option:"KeepEC2" name:"keep-ec2" help:"Keep EC2 in requiresCompatibilities beside FARGATE."`
	MemoryBasis   string            `option:"MemoryBasis" help:"Size the task's memory by the sum of its containers' limit or reservation. Default: limit." placeholder:"BASIS"`
	RewriteLinks  string            `option:"RewriteLinks" help:"Where to replace the alias of a link with 127.0.0.1: env, all (commands too) or none. Default: env." placeholder:"WHERE"`
	Volume        map[string]string `option:"Volumes" help:"Replace a volume of the instance, or give one that a list of containers mounts, by its name, as: ephemeral, efs:fs-ID, efs:fs-ID:/DIR or efs:fs-ID:fsap-ID. Repeatable." placeholder:"NAME=KIND" mapsep:"none"`
	Target        string            `option:"Target" help:"What the definition is for: fargate, or managed-instances, which keeps what ECS Managed Instances support. Default: fargate." placeholder:"TARGET"`
	Fluentd       string            `option:"Fluentd" help:"Replace the fluentd log driver with awslogs, or with firelens, which adds a log router. Default: awslogs." placeholder:"DRIVER"`
	SHM           string            `option:"Shm" name:"shm" help:"Replace sharedMemorySize with: tmpfs. Default: refuse it." placeholder:"KIND"`
	Allow         []string          `option:"Allow" help:"Accept a change that is refused otherwise, by the ID of its finding. Repeatable." placeholder:"ID" sep:","`
}

// options are those of a conversion. region is the Region without --region.
func (f *ruleFlags) options(region string) fargate.Options {
	var o fargate.Options
	cli.SetOptions(&o, f)
	o.Region = cmp.Or(o.Region, region)
	return o
}

// around completes the options with what the AWS configuration and the account say.
func (f *ruleFlags) around(ctx context.Context, in input, profile *cli.ProfileFlag) fargate.Options {
	o := f.options(in.region)
	o.AccountLogMode = in.logMode
	if o.Region == "" {
		// Without a configuration that can be read there is no Region: whether one is
		// needed is for the rules to say.
		if cfg, err := profile.Load(ctx, ""); err == nil {
			o.DefaultRegion = cfg.Region
		}
	}
	return o
}

// roleFlags are the choices about the roles of a task.
type roleFlags struct {
	TaskAllow  []string `option:"TaskAllow" help:"Allow the containers this; sumoship fargate iam --help lists what. Repeatable." placeholder:"WHAT[:RESOURCE]" sep:"none"`
	KMSKey     []string `option:"Keys" name:"kms-key" help:"Customer-managed key that encrypts secrets, parameters or environment files. Repeatable." placeholder:"ARN|ID|alias/NAME"`
	Repository []string `option:"Repositories" help:"ECR repository of an image whose name is known only at deployment, or none if it is not in ECR. Repeatable." placeholder:"NAME|ARN|none"`
}

func (f *roleFlags) options() (iam.Options, error) {
	var o iam.Options
	cli.SetOptions(&o, f)
	var errs []error
	for _, text := range f.TaskAllow {
		g, err := iam.ParseGrant(text)
		if err != nil {
			errs = append(errs, err)
		}
		o.Allow = append(o.Allow, g)
	}
	if len(errs) > 0 {
		return o, cli.Fail(cli.ExitUsage, errors.Join(errs...))
	}
	return o, nil
}
