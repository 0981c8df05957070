package main

// fargateCmd moves task definitions to Fargate.
type fargateCmd struct {
	Convert  fargateConvertCmd  `cmd:"" help:"Write the Fargate version of a task definition that was made for EC2."`
	Check    fargateCheckCmd    `cmd:"" help:"Tell what stands between task definitions and Fargate, and change nothing."`
	Diff     fargateDiffCmd     `cmd:"" help:"Show what convert would change."`
	Register fargateRegisterCmd `cmd:"" help:"Register a Fargate task definition with Amazon ECS."`
	Service  fargateServiceCmd  `cmd:"" help:"Write a CloudFormation template of the service on Fargate and what stands around it: roles, logs, network, load balancer, DNS."`
	ENI      fargateENICmd      `cmd:"" name:"eni" help:"Tell how many awsvpc tasks fit on an EC2 instance, without and with ENI trunking, and on Fargate."`
	IAM      fargateIAMCmd      `cmd:"" name:"iam" help:"Write the roles of a task definition, with no more rights than it needs."`
	Logs     fargateLogsCmd     `cmd:"" help:"Make the log groups of a task definition, and subscribe them to the forwarder."`
	Explain  fargateExplainCmd  `cmd:"" help:"Explain a network mode, or what the move changes in the network of a task definition."`
}
