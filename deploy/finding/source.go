package finding

import (
	"regexp"
	"strings"
)

// guidePages are pages of the Amazon ECS Developer Guide, by their titles.
var guidePages = map[string]string{
	"Task definition differences for Fargate":                             "fargate-tasks-services",
	"Using the awslogs log driver":                                        "using_awslogs",
	"Task execution IAM role":                                             "task_execution_IAM_role",
	"Using gMSA for Linux containers on Fargate":                          "fargate-linux-gmsa",
	"Amazon EFS volumes":                                                  "efs-volumes",
	"Amazon EBS volumes":                                                  "ebs-volumes",
	"S3 Files volumes":                                                    "s3files-volumes",
	"Storage options for Amazon ECS tasks":                                "using_data_volumes",
	"Using FireLens":                                                      "using_firelens",
	"Task metadata endpoint for Fargate":                                  "task-metadata-endpoint-v4-fargate",
	"Amazon ECS clusters for Fargate":                                     "fargate-capacity-providers",
	"Monitor Amazon ECS containers with ECS Exec":                         "ecs-exec",
	"Use load balancing to distribute Amazon ECS service traffic":         "service-load-balancing",
	"Use service discovery to connect Amazon ECS services with DNS names": "service-discovery",
}

const (
	guide = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/"
	// fargateGuide is what a rule without a page of its own, and the program as a
	// whole, is about.
	fargateGuide = guide + "fargate-tasks-services.html"
)

var apiPage = regexp.MustCompile(`^Amazon ECS API Reference, (\w+)`)

// URL returns the address of the documentation behind the rule.
func (r Rule) URL() string {
	_, title, _ := strings.Cut(r.Source, `"`)
	title, _, _ = strings.Cut(title, `"`)
	switch m := apiPage.FindStringSubmatch(r.Source); {
	case m != nil:
		return "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_" + m[1] + ".html"
	case strings.HasPrefix(r.Source, "Amazon ECS service quotas"):
		return guide + "service-quotas.html"
	case strings.HasPrefix(r.Source, "AWS CloudFormation User Guide"):
		return "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html"
	case strings.HasPrefix(r.Source, "Application Auto Scaling API Reference"):
		return "https://docs.aws.amazon.com/autoscaling/application/APIReference/Welcome.html"
	case strings.HasPrefix(r.Source, "Docker documentation"):
		return "https://docs.docker.com/engine/network/links/"
	case guidePages[title] != "":
		return guide + guidePages[title] + ".html"
	}
	return fargateGuide
}
