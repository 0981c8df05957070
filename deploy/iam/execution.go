package iam

import (
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// The actions of the execution role.
//
// Source: Amazon ECS Developer Guide, "Task execution IAM role".
var (
	pullToken  = []string{"ecr:GetAuthorizationToken"}
	pullImages = []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
	writeLogs  = []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	makeGroups = []string{"logs:CreateLogGroup"}
	readSecret = []string{"secretsmanager:GetSecretValue"}
	readParam  = []string{"ssm:GetParameters"}
	readFile   = []string{"s3:GetObject"}
	findBucket = []string{"s3:GetBucketLocation"}
	decrypt    = []string{"kms:Decrypt"}
)

var (
	// ecrImage is an image in a private registry of Amazon ECR, also by its FIPS and
	// dual-stack names: account, Region and repository.
	ecrImage  = regexp.MustCompile(`^(\d{12}|` + cfn.AnyPart + `)\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+|` + cfn.AnyPart + `)\.[^/]+/([^@]+?)(?::[^:/@]*)?(?:@.*)?$`)
	imageTail = regexp.MustCompile(`^(` + cfn.AnyPart + `)(?:[:@].*)?$`)
	registry  = regexp.MustCompile(`^[^/:@]*` + cfn.AnyPart)
)

// image lets the execution role pull the image of a container.
func (b *builder) image(container *tree.Node) {
	n := container.Get("image")
	for _, e := range b.Read(n) {
		if m := ecrImage.FindStringSubmatch(e.Text); m != nil {
			b.pull(cfn.Concat("arn:", b.partition, ":ecr:", e.Substring(m[2]), ":", e.Substring(m[1]), ":repository/", e.Substring(m[3])))
			continue
		}
		if m := imageTail.FindStringSubmatch(e.Text); m != nil {
			// ${Repository.RepositoryUri}:tag
			resource, name := cfn.GetAttName(e.Substring(m[1]).Only().Node)
			if name == "RepositoryUri" && b.typeOf(resource) == "AWS::ECR::Repository" {
				b.pull(cfn.Deferred(cfn.GetAtt(resource, "Arn"), n))
				continue
			}
		}
		if registry.MatchString(e.Text) {
			b.unknownImages = append(b.unknownImages, n)
		}
	}
	for _, credentials := range b.Each(container.Get("repositoryCredentials")) {
		for _, e := range b.Read(credentials.Get("credentialsParameter")) {
			b.secret(e)
		}
	}
}

func (b *builder) pull(repository cfn.Expression) {
	b.execution.allow("GetRegistryToken", pullToken, cfn.Literal("*"))
	b.execution.allow("PullImages", pullImages, repository)
}

var repositoryName = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{1,255}$`)

// repositories lets the execution role pull from the repositories of the options.
func (b *builder) repositories() {
	for _, name := range b.Repositories {
		switch {
		case name == "none":
		case repositoryName.MatchString(name):
			b.pull(b.arn("ecr", "repository/"+name))
		case strings.HasPrefix(name, "arn:") && strings.Contains(name, ":ecr:") && strings.Contains(name, ":repository/"):
			b.pull(cfn.Literal(name))
		default:
			b.AddError(&finding.OptionError{Option: "Repositories", Value: name, Want: "the name or ARN of an Amazon ECR repository, or none"})
		}
	}
	if len(b.Repositories) > 0 {
		return
	}
	for _, n := range b.unknownImages {
		if b.RoleGiven {
			b.note("the registry of the image at %s is known only when it is deployed, so this role cannot pull it; the execution role that the definition names does, "+
				"or name its Amazon ECR repository with --repository", n.Pointer())
			continue
		}
		b.AddError(b.Errorf(n, "name its Amazon ECR repository with --repository, or use --repository none if it is in none", "the registry of the image at %s is known only when it is deployed", n.Pointer()))
	}
}

// typeOf returns the type of a resource of the template, "" if there is none.
func (b *builder) typeOf(resource string) string {
	return b.Resource(resource).Key("Type").Str()
}

// secrets lets the execution role read the secrets of a container and its log
// driver.
func (b *builder) secrets(container *tree.Node) {
	lists := []*tree.Node{container.Get("secrets")}
	for _, configuration := range b.Each(container.Get("logConfiguration")) {
		lists = append(lists, configuration.Get("secretOptions"))
	}
	for _, list := range lists {
		for _, s := range b.Each(list) {
			for _, e := range b.Read(s.Get("valueFrom")) {
				b.valueFrom(e)
			}
		}
	}
}

var (
	// A key, a stage and a version may follow the ARN of a secret.
	secretARN    = regexp.MustCompile(`^(arn:[^:]+:secretsmanager:[^:]+:[^:]+:secret:[^:]+)(?::.*)?$`)
	parameterARN = regexp.MustCompile(`^(arn:[^:]+:ssm:[^:]+:[^:]*:parameter/[^:]+)(?::.*)?$`)
	secretRef    = regexp.MustCompile(`^(` + cfn.AnyPart + `)(:[^:]*:[^:]*:[^:]*)?$`)
	bareName     = regexp.MustCompile(`^(?:[\w./-]|` + cfn.AnyPart + `)+`)
)

// referencedSecrets is the path of the parameters through which Parameter Store
// reads Secrets Manager.
//
// Source: AWS Systems Manager User Guide, "Referencing AWS Secrets Manager
// secrets from Parameter Store parameters".
const referencedSecrets = "/aws/reference/secretsmanager/"

// valueFrom lets the execution role read a secret from where it comes from: the
// ARN of a secret, complete or not, with a key, stage and version, or the ARN or
// name of a parameter.
//
// Source: Amazon ECS API Reference, Secret.
func (b *builder) valueFrom(e cfn.Expression) {
	if m := secretARN.FindStringSubmatch(e.Text); m != nil {
		b.secret(e.Substring(m[1]))
		return
	}
	if m := parameterARN.FindStringSubmatch(e.Text); m != nil {
		b.parameter(e.Substring(m[1]))
		return
	}
	if m := secretRef.FindStringSubmatch(e.Text); m != nil {
		b.valueFromPart(e.Substring(m[1]), m[2] != "")
		return
	}
	name := strings.TrimPrefix(bareName.FindString(e.Text), "/")
	if strings.HasPrefix(name, "aws/service/") { // a public parameter has no account
		b.parameter(cfn.Concat("arn:", b.partition, ":ssm:", b.region, "::parameter/", e.Substring(name)))
		return
	}
	if secret, ok := strings.CutPrefix("/"+name, referencedSecrets); ok {
		b.secret(b.arn("secretsmanager", "secret:", e.Substring(secret)))
	}
	b.parameter(b.arn("ssm", "parameter/", e.Substring(name)))
}

// valueFromPart lets the execution role read a secret that is known only after
// deployment. Only a secret of Secrets Manager can have a key.
func (b *builder) valueFromPart(ref cfn.Expression, withKey bool) {
	kind := b.typeOf(cfn.RefName(ref.Only().Node))
	switch {
	case withKey || kind == "AWS::SecretsManager::Secret":
		b.secret(ref)
	case kind == "AWS::SSM::Parameter":
		b.parameter(b.ssmParameter(ref))
	default: // the ARN of either; each action applies to its own kind only
		b.decryptsFor("ssm", "secretsmanager")
		b.execution.allow("ReadSecretsOrParameters", slices.Concat(readSecret, readParam), ref)
	}
}

// ssmParameter returns the ARN of a parameter of the template. Its Ref is its
// name, with or without a leading slash.
func (b *builder) ssmParameter(ref cfn.Expression) cfn.Expression {
	name := b.Resource(cfn.RefName(ref.Only().Node)).Key("Properties").Key("Name")
	if e, err := b.Expression(name); name != nil && err == nil && strings.HasPrefix(e.Text, "/") {
		return b.arn("ssm", "parameter", ref)
	}
	return b.arn("ssm", "parameter/", ref)
}

func (b *builder) parameter(arn cfn.Expression) {
	b.decryptsFor("ssm")
	b.execution.allow("ReadParameters", readParam, arn)
}

// A complete ARN of a secret ends with a hyphen and six random characters. An end
// that looks like a word, or is known only after deployment, may be either.
var (
	complete  = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
	ambiguous = regexp.MustCompile(`(?:-[a-z]{6}|` + cfn.AnyPart + `)$`)
)

// secret lets the execution role read a secret by its name or its ARN, complete or
// not.
//
// Source: AWS Secrets Manager User Guide, "Troubleshoot" (partial ARNs) and
// "Identity-based policies" (the six question marks).
func (b *builder) secret(e cfn.Expression) {
	b.decryptsFor("secretsmanager")
	if e.Only() == nil && !strings.HasPrefix(e.Text, "arn:") {
		e = b.arn("secretsmanager", "secret:", e)
	}
	for _, arn := range secretARNs(e) {
		b.execution.allow("ReadSecrets", readSecret, arn)
	}
}

// secretARNs returns the resources that a policy must name for the ARN of a
// secret, complete or not.
func secretARNs(e cfn.Expression) []cfn.Expression {
	partial := e.Substring(e.Text + "-??????")
	switch {
	case e.Only() != nil:
		return []cfn.Expression{e}
	case ambiguous.MatchString(e.Text):
		return []cfn.Expression{e, partial}
	case !complete.MatchString(e.Text):
		return []cfn.Expression{partial}
	}
	return []cfn.Expression{e}
}

var s3Object = regexp.MustCompile(`^(arn:[^:]+:s3:::[^/]+|` + cfn.AnyPart + `)/.+$`)

// environmentFiles lets the execution role read the environment files of a
// container.
func (b *builder) environmentFiles(container *tree.Node) {
	for _, f := range b.Each(container.Get("environmentFiles")) {
		for _, e := range b.Read(f.Get("value")) {
			b.decryptsFor("s3")
			b.execution.allow("ReadEnvironmentFiles", readFile, e)
			if m := s3Object.FindStringSubmatch(e.Text); m != nil {
				b.execution.allow("FindEnvironmentFiles", findBucket, e.Substring(m[1]))
				continue
			}
			split := cfn.Object(cfn.Prop("Fn::Split", tree.NewArray(tree.NewString("/"), e.Node())))
			bucket := cfn.Object(cfn.Prop("Fn::Select", tree.NewArray(tree.NewInt(0), split)))
			b.execution.allow("FindEnvironmentFiles", findBucket, cfn.Deferred(bucket, f.Get("value")))
		}
	}
}

// awslogs lets the execution role write to a log group.
func (b *builder) awslogs(options *tree.Node) {
	create, _ := options.Key("awslogs-create-group").Bool()
	regions := b.Read(options.Key("awslogs-region"))
	if len(regions) == 0 {
		regions = []cfn.Expression{b.region}
	}
	for _, group := range b.Read(options.Key("awslogs-group")) {
		for _, region := range regions {
			arn := cfn.Concat("arn:", b.partition, ":logs:", region, ":", b.account, ":log-group:", group)
			b.execution.allow("WriteLogs", writeLogs, cfn.Concat(arn, ":log-stream:*"))
			if create {
				// CloudWatch Logs checks the ARN with ":log-stream:" at its end.
				b.execution.allow("CreateLogGroups", makeGroups, arn)
				b.execution.allow("CreateLogGroups", makeGroups, cfn.Concat(arn, ":*"))
			}
		}
	}
}

// decryptsFor records the services that decrypt with the execution role.
func (b *builder) decryptsFor(services ...string) {
	for _, s := range services {
		if !slices.Contains(b.decrypting, s) {
			b.decrypting = append(b.decrypting, s)
		}
	}
	slices.Sort(b.decrypting)
}
