package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"sumoship/deploy/eni"
)

// survey counts the active container instances of the cluster: draining ones take
// no more tasks.
func (c *fargateENICmd) survey(ctx context.Context) (*eni.Cluster, error) {
	cfg, err := c.loadRegion(ctx)
	if err != nil {
		return nil, err
	}
	instances, err := containerInstances(ctx, ecs.NewFromConfig(cfg), c.Cluster)
	if err != nil {
		return nil, exit{exitAWS, fmt.Errorf("cluster %s: %w", c.Cluster, err)}
	}
	return newCluster(c.Cluster, instances), nil
}

// containerInstances goes from page to page by hand, as askEC2 does: the SDK's
// paginators take their client as an interface, and then the linker keeps all of
// its methods, 30 MB of them in the case of EC2.
func containerInstances(ctx context.Context, client *ecs.Client, cluster string) ([]ecstypes.ContainerInstance, error) {
	var all []ecstypes.ContainerInstance
	for in := (&ecs.ListContainerInstancesInput{Cluster: &cluster, Status: ecstypes.ContainerInstanceStatusActive}); ; {
		page, err := client.ListContainerInstances(ctx, in)
		if err != nil {
			return nil, err
		}
		// A page has at most 100, as many as can be described at once.
		if len(page.ContainerInstanceArns) > 0 {
			described, err := client.DescribeContainerInstances(ctx,
				&ecs.DescribeContainerInstancesInput{Cluster: &cluster, ContainerInstances: page.ContainerInstanceArns})
			if err != nil {
				return nil, err
			}
			for _, f := range described.Failures {
				if reason := aws.ToString(f.Reason); reason != "MISSING" { // gone since it was listed
					return nil, fmt.Errorf("container instance %s: %s", aws.ToString(f.Arn), reason)
				}
			}
			all = append(all, described.ContainerInstances...)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

func newCluster(name string, described []ecstypes.ContainerInstance) *eni.Cluster {
	var instances []eni.Instance
	for _, d := range described {
		attributes := map[string]string{}
		for _, a := range d.Attributes {
			attributes[aws.ToString(a.Name)] = aws.ToString(a.Value)
		}
		instances = append(instances, eni.Instance{
			Type:    attributes["ecs.instance-type"],
			Windows: attributes["ecs.os-type"] == "windows",
			Trunk:   attributes["ecs.awsvpc-trunk-id"] != "",
		})
	}
	return eni.NewCluster(name, instances)
}

// Why EC2 did not say how many interfaces a type has.
var (
	errNotAsked = errors.New("EC2 was not asked: there are no AWS credentials, or no Region")
	errNotKnown = errors.New("EC2 does not know it in this Region either")
)

// credentialsWait bounds the search for credentials: the SDK's last resort is a
// metadata service, which outside of EC2 does not answer.
const credentialsWait = 2 * time.Second

// askEC2 returns how many interfaces each of the types can have, and why the
// result lacks those that it lacks.
func (c *fargateENICmd) askEC2(ctx context.Context, types []string) (interfaces map[string]int, why error) {
	cfg, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	if cfg.Region == "" || cfg.Credentials == nil {
		return nil, errNotAsked
	}
	if _, err := cfg.Credentials.Retrieve(waiting); err != nil {
		return nil, errNotAsked
	}
	// By a filter: by name, one unknown type would fail the call for all.
	filter := ec2types.Filter{Name: aws.String("instance-type"), Values: types}
	interfaces = map[string]int{}
	client := ec2.NewFromConfig(cfg)
	for in := (&ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{filter}}); ; {
		page, err := client.DescribeInstanceTypes(ctx, in)
		if err != nil {
			return interfaces, fmt.Errorf("EC2 could not be asked: %w", err)
		}
		for _, t := range page.InstanceTypes {
			if t.NetworkInfo != nil && t.NetworkInfo.MaximumNetworkInterfaces != nil {
				interfaces[string(t.InstanceType)] = int(*t.NetworkInfo.MaximumNetworkInterfaces)
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return interfaces, errNotKnown
		}
	}
}
