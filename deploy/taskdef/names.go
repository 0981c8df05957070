package taskdef

import (
	"regexp"

	"sumoship/deploy/tree"
)

// Names that ECS, CloudWatch Logs and AWS take.
//
// Source: Amazon ECS API Reference, RegisterTaskDefinition and CreateService;
// Amazon CloudWatch Logs API Reference, CreateLogGroup.
var (
	ECSName   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`) // of a family, container, service or cluster
	GroupName = regexp.MustCompile(`^[\w./#-]{1,512}$`)      // of a log group
	Region    = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)
	Account   = regexp.MustCompile(`^\d{12}$`)
)

// names are those of a task definition.
//
// Source: CloudFormation resource schema of AWS::ECS::TaskDefinition; for maps,
// Amazon ECS API Reference, ContainerDefinition (dockerLabels), LogConfiguration
// and FirelensConfiguration (options), DockerVolumeConfiguration (driverOpts,
// labels).
var names = &tree.Names{
	Irregular: []tree.Spelling{
		{Camel: "efsVolumeConfiguration", Pascal: "EFSVolumeConfiguration"},
		{Camel: "fsxWindowsFileServerVolumeConfiguration", Pascal: "FSxWindowsFileServerVolumeConfiguration"},
		{Camel: "s3filesVolumeConfiguration", Pascal: "S3FilesVolumeConfiguration"},
		{Camel: "iam", Pascal: "IAM"},
		{Parent: "efsVolumeConfiguration", Camel: "fileSystemId", Pascal: "FilesystemId"},
		{Parent: "proxyConfiguration", Camel: "properties", Pascal: "ProxyConfigurationProperties"},
	},
	Maps: map[string]bool{"options": true, "dockerLabels": true, "driverOpts": true, "labels": true},
}

// CamelName returns the name that the ECS API gives a member, whichever case a
// document writes it in.
func CamelName(member string) string { return names.Camel(member, "") }

// Recase returns a copy of a value with its names as the ECS API spells them,
// tree.Camel, or as CloudFormation does, tree.Pascal. The keys of maps, such as
// dockerLabels, stay as they are, as do intrinsic functions.
func Recase(n *tree.Node, c tree.Case) *tree.Node { return n.Recase(names, c) }
