package iam

import (
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/tree"
)

// routerFile lets the task role read a file for the log router.
func (b *roleBuilder) routerFile(n *tree.Node) {
	for _, e := range b.Read(n) {
		b.task.allow("ReadRouterFiles", readFile, e)
		if m := s3Object.FindStringSubmatch(e.Text); m != nil {
			b.task.allow("FindRouterFiles", findBucket, e.Substring(m[1]))
		}
	}
}

// firelens lets the task role write to where an output of Fluent Bit sends, if
// that is an AWS service: the log router works with the task role.
//
// Source: Fluent Bit manual, the outputs "Amazon CloudWatch", "Amazon Kinesis
// Data Firehose", "Amazon Kinesis Data Streams" and "Amazon S3".
func (b *roleBuilder) firelens(options *tree.Node) {
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

// volumes lets the task role mount the file systems that ask who mounts them.
//
// Source: Amazon EFS User Guide, "Using IAM to control access"; Amazon S3 User
// Guide, "Prerequisites for S3 Files".
func (b *roleBuilder) volumes() {
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
				b.task.alone("MountS3Files", actions, []cfn.Expression{e})
			}
			b.remark("volume %s: to read its bucket without going through the file system, allow the task s3-read:BUCKET, too", name)
		}
		if launch, _ := v.Get("configuredAtLaunch").Bool(); launch {
			b.remark("volume %s is made by ECS with an infrastructure role, which the service or the run of the task names; AWS has a policy for it, AmazonECSInfrastructureRolePolicyForVolumes", name)
		}
	}
}

func (b *roleBuilder) efs(volume string, n *tree.Node) {
	var authorization *tree.Node
	for _, n := range b.Each(n.Get("authorizationConfig")) {
		// Of two, the one that asks for a role, or by an access point.
		if authorization == nil || authorization.Get("iam").Str() != "ENABLED" {
			authorization = n
		}
	}
	if iam := authorization.Get("iam"); iam == nil || !iam.Opaque() && iam.Str() != "ENABLED" {
		b.remark("volume %s: EFS does not ask for a role (authorizationConfig.iam is not ENABLED), so the task role needs no right to mount it, unless the policy of the file system says otherwise", volume)
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
		b.task.alone("MountEFS", actions, []cfn.Expression{b.arn("elasticfilesystem", "file-system/", id)}, conditions...)
	}
	b.remark("volume %s: root on the file system (elasticfilesystem:ClientRootAccess) is not granted; an access point gives the task the user it needs", volume)
}

// writes reports whether a container mounts a volume to write.
func (b *roleBuilder) writes(volume string) bool {
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
