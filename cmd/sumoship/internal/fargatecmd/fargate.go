// Package fargatecmd is sumoship fargate: one file a verb, and the flags, inputs and
// findings that they share. The work is done by the packages of deploy.
package fargatecmd

import "sumoship/cmd/sumoship/internal/cutovercmd"

// Cmd moves task definitions to Fargate.
type Cmd struct {
	Convert  convertCmd     `cmd:"" help:"Write the Fargate version of a task definition for EC2."`
	Check    checkCmd       `cmd:"" help:"Report what keeps task definitions from running on Fargate, and change nothing."`
	Diff     diffCmd        `cmd:"" help:"Show what convert would change."`
	Register registerCmd    `cmd:"" help:"Register a Fargate task definition with Amazon ECS."`
	Service  serviceCmd     `cmd:"" help:"Write a CloudFormation template of the service on Fargate and its surroundings: roles, logs, network, load balancer, DNS."`
	Cutover  cutovercmd.Cmd `cmd:"" help:"Move the requests of a running service to its Fargate version, step by step, and back if it is worse."`
	Plan     planCmd        `cmd:"" help:"Plan the move of a cluster or an account: what can move, in which order, sizes and costs."`
	ENI      eniCmd         `cmd:"" name:"eni" help:"Show how many awsvpc tasks fit on an EC2 instance, without and with ENI trunking, and on Fargate."`
	IAM      iamCmd         `cmd:"" name:"iam" help:"Write least-privilege roles for a task definition."`
	Logs     logsCmd        `cmd:"" help:"Create the log groups of a task definition, and subscribe them to the forwarder."`
	Explain  explainCmd     `cmd:"" help:"Explain a network mode, a finding, or what moving a task definition changes in its network."`
	Rules    rulesCmd       `cmd:"" help:"List the IDs of findings, and what they say."`
}
