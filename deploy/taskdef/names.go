package taskdef

import "regexp"

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
