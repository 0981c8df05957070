package iam

import (
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/tree"
)

// routerFile lets the task role read a configuration file of the log router.
func (b *builder) routerFile(n *tree.Node) {
	for _, e := range b.Read(n) {
		b.task.allow("ReadRouterFiles", readFile, e)
		if m := s3Object.FindStringSubmatch(e.Text); m != nil {
			b.task.allow("FindRouterFiles", findBucket, e.Substring(m[1]))
		}
	}
}

// firelens lets the task role, which the log router uses, write to the destination
// of a Fluent Bit output that is an AWS service.
//
// Source: Fluent Bit manual, the outputs "Amazon CloudWatch", "Amazon Kinesis
// Data Firehose", "Amazon Kinesis Data Streams" and "Amazon S3".
func (b *builder) firelens(options *tree.Node) {
	option := func(name string) []cfn.Expression {
		for key, n := range options.Members() {
			if strings.EqualFold(key, name) {
				return b.Read(n)
			}
		}
		return nil
	}
	region := b.region
	if r := option("region"); len(r) > 0 {
		region = r[0]
	}
	arn := func(service, kind string, name cfn.Expression) cfn.Expression {
		return cfn.Concat("arn:", b.partition, ":"+service+":", region, ":", b.account, ":"+kind, name)
	}
	var name string
	for _, e := range option("name") {
		name = strings.ToLower(e.Text)
	}
	switch name {
	case "cloudwatch", "cloudwatch_logs":
		write, create := []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}, []string{"logs:CreateLogGroup", "logs:PutRetentionPolicy"}
		for _, group := range option("log_group_name") {
			if i := strings.Index(group.Text, "$("); i >= 0 { // filled in by Fluent Bit
				group = group.Substring(group.Text[:i] + "*")
			}
			group = arn("logs", "log-group:", group)
			b.task.allow("WriteLogs", write, group)
			b.task.allow("WriteLogs", write, cfn.Concat(group, ":log-stream:*"))
			if len(option("auto_create_group")) > 0 {
				b.task.allow("CreateLogGroups", create, group)
				b.task.allow("CreateLogGroups", create, cfn.Concat(group, ":*"))
			}
		}
	case "firehose", "kinesis_firehose":
		for _, stream := range option("delivery_stream") {
			b.task.allow("WriteToFirehose", []string{"firehose:PutRecordBatch"}, arn("firehose", "deliverystream/", stream))
		}
	case "kinesis", "kinesis_streams":
		for _, stream := range option("stream") {
			b.task.allow("WriteToKinesis", []string{"kinesis:PutRecords"}, arn("kinesis", "stream/", stream))
		}
	case "s3":
		for _, bucket := range option("bucket") {
			b.task.allow("WriteLogsToS3", []string{"s3:PutObject"}, cfn.Concat("arn:", b.partition, ":s3:::", bucket, "/*"))
		}
	}
}

// volumes lets the task role mount the file systems that check it.
//
// Source: Amazon EFS User Guide, "Using IAM to control access"; Amazon S3 User
// Guide, "Prerequisites for S3 Files".
func (b *builder) volumes() {
	for _, v := range b.Each(b.def.Get("volumes")) {
		name := v.Get("name").Identity()
		for _, efs := range b.Each(v.Get("efsVolumeConfiguration")) {
			b.efs(name, efs)
		}
		for _, files := range b.Each(v.Get("s3filesVolumeConfiguration")) {
			actions := []string{"s3files:ClientMount"}
			if b.writes(name) {
				actions = append(actions, "s3files:ClientWrite")
			}
			for _, e := range b.Read(files.Get("fileSystemArn")) {
				b.task.addStatement("MountS3Files", actions, []cfn.Expression{e})
			}
			b.note("volume %s: to read its bucket directly, not through the file system, also allow the task s3-read:BUCKET", name)
		}
		if launch, _ := v.Get("configuredAtLaunch").Bool(); launch {
			b.note("volume %s is created by ECS with an infrastructure role, which the service or run-task names; its AWS managed policy is AmazonECSInfrastructureRolePolicyForVolumes", name)
		}
	}
}

// efs lets the task role mount a file system, through its access point if it has
// one.
func (b *builder) efs(volume string, n *tree.Node) {
	var authorization *tree.Node
	for _, n := range b.Each(n.Get("authorizationConfig")) {
		// Of two branches, the one that checks the role.
		if authorization == nil || authorization.Get("iam").Str() != "ENABLED" {
			authorization = n
		}
	}
	if iam := authorization.Get("iam"); iam == nil || !iam.Opaque() && iam.Str() != "ENABLED" {
		b.note("volume %s: EFS does not check the task role (authorizationConfig.iam is not ENABLED), so the role needs no permission to mount it, unless the file system policy says otherwise", volume)
		return
	}
	actions := []string{"elasticfilesystem:ClientMount"}
	if b.writes(volume) {
		actions = append(actions, "elasticfilesystem:ClientWrite")
	}
	var conditions []condition
	if points := b.Read(authorization.Get("accessPointId")); len(points) > 0 {
		c := condition{"StringEquals", "elasticfilesystem:AccessPointArn", nil}
		for _, p := range points {
			c.values = append(c.values, b.arn("elasticfilesystem", "access-point/", p))
		}
		conditions = append(conditions, c)
	}
	for _, id := range b.Read(n.Get("fileSystemId")) {
		b.task.addStatement("MountEFS", actions, []cfn.Expression{b.arn("elasticfilesystem", "file-system/", id)}, conditions...)
	}
	b.note("volume %s: root on the file system (elasticfilesystem:ClientRootAccess) is not granted; an access point gives the task the user it needs", volume)
}

// writes reports whether a container mounts a volume for writing, or none mounts
// it.
func (b *builder) writes(volume string) bool {
	mounted := false
	for _, container := range b.Each(b.def.Get("containerDefinitions")) {
		for _, m := range container.Get("mountPoints").Elements() {
			if m.Get("sourceVolume").Identity() != volume {
				continue
			}
			mounted = true
			if readOnly, _ := m.Get("readOnly").Bool(); !readOnly {
				return true
			}
		}
	}
	return !mounted
}
