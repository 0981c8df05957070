package cli

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
)

// Missing is the error of a verb for what AWS does not have.
type Missing struct {
	Kind string // stack, function, log group, cluster, service, task definition, bucket, queue
	Name string
	In   string // the cluster of a service
}

func (m *Missing) Error() string {
	text := "no " + m.Kind + " " + m.Name
	if m.In != "" {
		text += " in cluster " + m.In
	}
	return text + ", or you may not see it"
}

// whereKey is that of the place in a context.
type whereKey struct{}

// where is where a verb called AWS last, and for what it does not have.
type where struct {
	mu      sync.Mutex
	cfg     *aws.Config
	missing Missing
}

// called keeps where AWS is called, and what of it is not there.
func called(ctx context.Context, cfg *aws.Config) {
	w, ok := ctx.Value(whereKey{}).(*where)
	if !ok {
		return
	}
	quiet := cfg.Copy()
	w.mu.Lock()
	w.cfg = &quiet
	w.mu.Unlock()
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("sumoshipMissing", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if lacks(err) {
				w.mu.Lock()
				w.missing = asked(Code(err), in.Parameters)
				w.mu.Unlock()
			}
			return out, metadata, err
		}), middleware.After)
	})
}

// notFound are endings of error codes of what AWS does not have.
var notFound = []string{"NotFound", "NotFoundException", "NotFoundFault", "NonExistentQueue", "QueueDoesNotExist", "NoSuchBucket"}

// lacks reports whether an error is that AWS does not have something.
func lacks(err error) bool {
	if err == nil {
		return false
	}
	code := Code(err)
	switch code {
	case "":
		return false
	case "ValidationError": // CloudFormation
		return strings.Contains(err.Error(), "does not exist")
	case "ClientException": // ECS
		return strings.Contains(err.Error(), "Unable to describe task definition")
	}
	return slices.ContainsFunc(notFound, func(end string) bool { return strings.HasSuffix(code, end) })
}

// asked is what the input of a call named that AWS does not have.
func asked(code string, input any) Missing {
	v := reflect.Indirect(reflect.ValueOf(input))
	if v.Kind() != reflect.Struct {
		return Missing{}
	}
	for _, m := range []struct{ member, kind string }{
		{"FunctionName", "function"}, {"LogGroupName", "log group"}, {"StackName", "stack"}, {"TaskDefinition", "task definition"},
		{"Cluster", "cluster"}, {"Bucket", "bucket"}, {"QueueName", "queue"}, {"QueueUrl", "queue"},
	} {
		if m.kind == "cluster" && !strings.HasPrefix(code, "Cluster") {
			continue // it is not the cluster that is not there
		}
		if member := v.FieldByName(m.member); member.IsValid() {
			if s, ok := member.Interface().(*string); ok && aws.ToString(s) != "" {
				return Missing{Kind: m.kind, Name: *s}
			}
		}
	}
	return Missing{}
}

// placeTime bounds how long it takes to say where something is not, and what it may be.
const placeTime = 3 * time.Second

// place says where AWS does not have what was asked for, and what is there of a similar
// name; "" of another error.
func place(ctx context.Context, err error) string {
	w, ok := ctx.Value(whereKey{}).(*where)
	if !ok || w.cfg == nil || w.cfg.Region == "" {
		return ""
	}
	m := w.missing
	if said, ok := errors.AsType[*Missing](err); ok {
		m = *said
	} else if !lacks(err) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	text := " (looked in " + w.cfg.Region
	if who, err := sts.NewFromConfig(*w.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err == nil {
		text += " of account " + aws.ToString(who.Account)
	}
	return text + ")" + DidYouMean(ctx, *w.cfg, m)
}

// DidYouMean asks whether something was meant that AWS does have, "" if there is
// nothing of a similar name, or the caller may not list it.
func DidYouMean(ctx context.Context, cfg aws.Config, m Missing) string {
	ctx, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	name, _ := ParseName(m.Name)
	switch m.Kind {
	case "task definition": // the family
		name, _, _ = strings.Cut(name, ":")
	case "queue": // at the end of its URL
		name = NameOf(name)
	}
	near := Nearest(name, list(ctx, cfg, m))
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, ", ") + "?"
}

// listPages is how many pages of names are read.
const listPages = 5

// list returns names of the same kind as what is missing, as far as a few calls list
// them.
func list(ctx context.Context, cfg aws.Config, m Missing) (names []string) {
	ends := func(arns []string) {
		for _, arn := range arns {
			names = append(names, NameOf(arn))
		}
	}
	switch m.Kind {
	case "function":
		p := lambda.NewListFunctionsPaginator(lambda.NewFromConfig(cfg), &lambda.ListFunctionsInput{})
		for range listPages {
			page, err := p.NextPage(ctx)
			if err != nil {
				break
			}
			for _, f := range page.Functions {
				names = append(names, aws.ToString(f.FunctionName))
			}
			if !p.HasMorePages() {
				break
			}
		}
	case "log group":
		group, _ := ParseName(m.Name)
		p := cloudwatchlogs.NewDescribeLogGroupsPaginator(cloudwatchlogs.NewFromConfig(cfg), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: prefix(group)})
		for range listPages {
			page, err := p.NextPage(ctx)
			if err != nil {
				break
			}
			for _, g := range page.LogGroups {
				names = append(names, aws.ToString(g.LogGroupName))
			}
			if !p.HasMorePages() {
				break
			}
		}
	case "stack":
		live := slices.DeleteFunc(cftypes.StackStatus("").Values(), func(s cftypes.StackStatus) bool { return s == cftypes.StackStatusDeleteComplete })
		p := cloudformation.NewListStacksPaginator(cloudformation.NewFromConfig(cfg), &cloudformation.ListStacksInput{StackStatusFilter: live})
		for range listPages {
			page, err := p.NextPage(ctx)
			if err != nil {
				break
			}
			for _, s := range page.StackSummaries {
				names = append(names, aws.ToString(s.StackName))
			}
			if !p.HasMorePages() {
				break
			}
		}
	case "cluster":
		if out, err := ecs.NewFromConfig(cfg).ListClusters(ctx, &ecs.ListClustersInput{}); err == nil {
			ends(out.ClusterArns)
		}
	case "service":
		if out, err := ecs.NewFromConfig(cfg).ListServices(ctx, &ecs.ListServicesInput{Cluster: &m.In, MaxResults: aws.Int32(100)}); err == nil {
			ends(out.ServiceArns)
		}
	case "task definition":
		if out, err := ecs.NewFromConfig(cfg).ListTaskDefinitionFamilies(ctx, &ecs.ListTaskDefinitionFamiliesInput{}); err == nil {
			names = out.Families
		}
	case "bucket":
		if out, err := s3.NewFromConfig(cfg).ListBuckets(ctx, &s3.ListBucketsInput{}); err == nil {
			for _, b := range out.Buckets {
				names = append(names, aws.ToString(b.Name))
			}
		}
	case "queue":
		if out, err := sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{MaxResults: aws.Int32(1000)}); err == nil {
			ends(out.QueueUrls)
		}
	}
	return names
}

// prefix is what is left of a name to its last slash, nil without one.
func prefix(name string) *string {
	if i := strings.LastIndexByte(strings.TrimPrefix(name, "/"), '/'); i >= 0 {
		return aws.String(name[:strings.LastIndexByte(name, '/')+1])
	}
	return nil
}

// ParseName returns the name in an argument that is a name or an ARN, and the Region
// of an ARN. A function keeps its version, a task definition its revision.
func ParseName(arg string) (name, region string) {
	part := strings.SplitN(arg, ":", 6)
	if len(part) < 6 || part[0] != "arn" {
		return arg, ""
	}
	resource := part[5]
	switch part[2] {
	case "logs":
		resource = strings.TrimSuffix(strings.TrimPrefix(resource, "log-group:"), ":*")
	case "cloudformation": // stack/NAME/ID
		resource = strings.Split(strings.TrimPrefix(resource, "stack/"), "/")[0]
	case "lambda":
		resource = strings.TrimPrefix(resource, "function:")
	default: // cluster/NAME, service/CLUSTER/NAME, task-definition/NAME:1; a bucket or a queue
		resource = NameOf(resource)
	}
	return resource, part[3]
}

// Named is what an argument of a verb names: the name in an ARN replaces it, and its
// Region is that of the flags.
//
// Errors: a Region of the flags that is another.
func (f *AWSFlags) Named(flag string, arg *string) error {
	name, region := ParseName(*arg)
	if region != "" {
		if f.Region != "" && f.Region != region {
			return Usagef("%s is in %s, and --region is %s", flag, region, f.Region)
		}
		f.Region = region
	}
	*arg = name
	return nil
}
