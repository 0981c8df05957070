package main

// fargateCmd moves task definitions to Fargate.
type fargateCmd struct {
	Convert  fargateConvertCmd  `cmd:"" help:"Write the Fargate version of a task definition for EC2."`
	Check    fargateCheckCmd    `cmd:"" help:"Report what keeps task definitions from running on Fargate, and change nothing."`
	Diff     fargateDiffCmd     `cmd:"" help:"Show what convert would change."`
	Register fargateRegisterCmd `cmd:"" help:"Register a Fargate task definition with Amazon ECS."`
	Service  fargateServiceCmd  `cmd:"" help:"Write a CloudFormation template of the service on Fargate and its surroundings: roles, logs, network, load balancer, DNS."`
	ENI      fargateENICmd      `cmd:"" name:"eni" help:"Show how many awsvpc tasks fit on an EC2 instance, without and with ENI trunking, and on Fargate."`
	IAM      fargateIAMCmd      `cmd:"" name:"iam" help:"Write least-privilege roles for a task definition."`
	Logs     fargateLogsCmd     `cmd:"" help:"Create the log groups of a task definition, and subscribe them to the forwarder."`
	Explain  fargateExplainCmd  `cmd:"" help:"Explain a network mode, or what moving a task definition changes in its network."`
}
