package iam

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"sumoship/deploy/cfn"
	"sumoship/deploy/finding"
	"sumoship/deploy/tree"
)

// Actions of the execution role.
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

// ecrImage is the name of an image in a private registry of Amazon ECR, also by
// its FIPS and dual-stack names.
var (
	ecrImage  = regexp.MustCompile(`^(\d{12}|` + cfn.AnyPart + `)\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+|` + cfn.AnyPart + `)\.[^/]+/([^@]+?)(?::[^:/@]*)?(?:@.*)?$`)
	imageTail = regexp.MustCompile(`^(` + cfn.AnyPart + `)(?:[:@].*)?$`)
	registry  = regexp.MustCompile(`^[^/:@]*` + cfn.AnyPart)
)

// image lets the execution role pull the image of a container.
func (b *roleBuilder) image(container *tree.Node) {
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
			b.images = append(b.images, n)
		}
	}
	for _, credentials := range b.Each(container.Get("repositoryCredentials")) {
		for _, e := range b.Read(credentials.Get("credentialsParameter")) {
			b.secret(e)
		}
	}
}

func (b *roleBuilder) pull(repository cfn.Expression) {
	b.execution.allow("GetRegistryToken", pullToken, cfn.Literal("*"))
	b.execution.allow("PullImages", pullImages, repository)
}

var repositoryName = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{1,255}$`)

// repositories are those that the options name.
func (b *roleBuilder) repositories() {
	for _, name := range b.Repositories {
		switch {
		case name == "none":
		case repositoryName.MatchString(name):
			b.pull(b.arn("ecr", "repository/"+name))
		case strings.HasPrefix(name, "arn:") && strings.Contains(name, ":ecr:") && strings.Contains(name, ":repository/"):
			b.pull(cfn.Literal(name))
		default:
			b.AddError(&finding.OptionError{Option: "Repositories", Value: name, Want: "the name or ARN of a repository of Amazon ECR, or none"})
		}
	}
	if len(b.Repositories) > 0 {
		return
	}
	for _, n := range b.images {
		b.AddError(b.Errorf(n, "name its repository of Amazon ECR with --repository, or say --repository none if it is in none", "the registry of the image at %s is known only when it is deployed", n.Pointer()))
	}
}

// typeOf is the type of a resource of the template, "" if there is none.
func (b *roleBuilder) typeOf(resource string) string {
	return b.Resource(resource).Key("Type").Str()
}

// secrets lets the execution role read what a container and its log driver get
// as secrets.
func (b *roleBuilder) secrets(container *tree.Node) {
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

// referredSecrets are the parameters by which Parameter Store gives secrets of
// Secrets Manager.
//
// Source: AWS Systems Manager User Guide, "Referencing AWS Secrets Manager
// secrets from Parameter Store parameters".
const referredSecrets = "/aws/reference/secretsmanager/"

// valueFrom reads where a secret comes from: the ARN of a secret, complete or
// not, with what may follow it, or the ARN or the name of a parameter.
//
// Source: Amazon ECS API Reference, Secret.
func (b *roleBuilder) valueFrom(e cfn.Expression) {
	if m := secretARN.FindStringSubmatch(e.Text); m != nil {
		b.secret(e.Substring(m[1]))
		return
	}
	if m := parameterARN.FindStringSubmatch(e.Text); m != nil {
		b.parameter(e.Substring(m[1]))
		return
	}
	if m := secretRef.FindStringSubmatch(e.Text); m != nil {
		ref := e.Substring(m[1])
		kind := b.typeOf(cfn.RefName(ref.Only().Node))
		switch {
		case m[2] != "" || kind == "AWS::SecretsManager::Secret":
			b.secret(ref)
		case kind == "AWS::SSM::Parameter":
			b.parameter(b.ssmParameter(ref))
		default:
			// The ARN of either. Each action knows one kind of them only.
			b.decrypts("ssm", "secretsmanager")
			b.execution.allow("ReadSecretsOrParameters", append(slices.Clone(readSecret), readParam...), ref)
		}
		return
	}
	name := strings.TrimPrefix(bareName.FindString(e.Text), "/")
	switch {
	case strings.HasPrefix("/"+name, referredSecrets):
		b.secret(b.arn("secretsmanager", "secret:", e.Substring(strings.TrimPrefix("/"+name, referredSecrets))))
		fallthrough
	default:
		b.parameter(b.arn("ssm", "parameter/", e.Substring(name)))
	case strings.HasPrefix(name, "aws/service/"): // public: of no account
		b.parameter(cfn.Concat("arn:", b.partition, ":ssm:", b.region, "::parameter/", e.Substring(name)))
	}
}

// ssmParameter is the ARN of a parameter of the template: its Ref is a name,
// with or without a slash at its beginning.
func (b *roleBuilder) ssmParameter(ref cfn.Expression) cfn.Expression {
	name := b.Resource(cfn.RefName(ref.Only().Node)).Key("Properties").Key("Name")
	if e, err := b.Expression(name); name != nil && err == nil && strings.HasPrefix(e.Text, "/") {
		return b.arn("ssm", "parameter", ref)
	}
	return b.arn("ssm", "parameter/", ref)
}

func (b *roleBuilder) parameter(arn cfn.Expression) {
	b.decrypts("ssm")
	b.execution.allow("ReadParameters", readParam, arn)
}

// complete is how a complete ARN of a secret ends: with a hyphen and six random
// characters. Of what looks like a word, or is known only when it is deployed, it
// is not known whether it is such an end.
var (
	complete = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
	likeWord = regexp.MustCompile(`(?:-[a-z]{6}|` + cfn.AnyPart + `)$`)
)

// secret lets the execution role read a secret by its ARN, complete or not, or by
// what stands for one.
//
// Source: AWS Secrets Manager User Guide, "Troubleshoot" (partial ARNs) and
// "Identity-based policies" (the six question marks).
func (b *roleBuilder) secret(e cfn.Expression) {
	b.decrypts("secretsmanager")
	for _, arn := range secretARNs(b.secretNamed(e)) {
		b.execution.allow("ReadSecrets", readSecret, arn)
	}
}

// secretNamed is the ARN of a secret that may be given by its name.
func (b *roleBuilder) secretNamed(e cfn.Expression) cfn.Expression {
	if e.Only() != nil || strings.HasPrefix(e.Text, "arn:") {
		return e
	}
	return b.arn("secretsmanager", "secret:", e)
}

// secretARNs are the resources that a policy has to name for a secret.
func secretARNs(e cfn.Expression) []cfn.Expression {
	partial := e.Substring(e.Text + "-??????")
	switch {
	case e.Only() != nil:
		return []cfn.Expression{e}
	case likeWord.MatchString(e.Text):
		return []cfn.Expression{e, partial}
	case !complete.MatchString(e.Text):
		return []cfn.Expression{partial}
	}
	return []cfn.Expression{e}
}

var s3Object = regexp.MustCompile(`^(arn:[^:]+:s3:::[^/]+|` + cfn.AnyPart + `)/.+$`)

// environmentFiles lets the execution role read the files of a container.
func (b *roleBuilder) environmentFiles(container *tree.Node) {
	for _, f := range b.Each(container.Get("environmentFiles")) {
		for _, e := range b.Read(f.Get("value")) {
			b.decrypts("s3")
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
func (b *roleBuilder) awslogs(options *tree.Node) {
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
				// CloudWatch Logs asks for the right by the ARN with ":log-stream:"
				// at its end.
				b.execution.allow("CreateLogGroups", makeGroups, arn)
				b.execution.allow("CreateLogGroups", makeGroups, cfn.Concat(arn, ":*"))
			}
		}
	}
}

// decrypts notes the services that decrypt for the execution role.
func (b *roleBuilder) decrypts(services ...string) {
	for _, s := range services {
		if !slices.Contains(b.services, s) {
			b.services = append(b.services, s)
		}
	}
	slices.Sort(b.services)
}

// keys lets the execution role decrypt by the keys of the options, through the
// services alone that its definition reads from.
//
// Source: AWS KMS Developer Guide, "Condition keys" (kms:ViaService) and "Use
// aliases to control access to KMS keys".
func (b *roleBuilder) keys() {
	if len(b.Keys) == 0 {
		return
	}
	if len(b.services) == 0 {
		b.AddError(&finding.OptionError{Option: "Keys", Value: strings.Join(b.Keys, ", "), Want: "no key: nothing in the definition is a secret, a parameter or an environment file"})
		return
	}
	for _, key := range b.Keys {
		arn, region, alias, err := b.key(key)
		if err != nil {
			b.AddError(&finding.OptionError{Option: "Keys", Value: key, Want: err.Error()})
			continue
		}
		via := condition{"StringLike", "kms:ViaService", nil}
		for _, s := range b.services {
			via.values = append(via.values, cfn.Concat(s+".", region, ".*"))
		}
		conditions := []condition{via}
		if alias != "" {
			conditions = append(conditions, condition{"ForAnyValue:StringEquals", "kms:ResourceAliases", []cfn.Expression{cfn.Literal(alias)}})
		}
		b.execution.alone("Decrypt", decrypt, []cfn.Expression{arn}, conditions...)
	}
}

var (
	keyID    = regexp.MustCompile(`^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	keyAlias = regexp.MustCompile(`^alias/[\w/-]{1,250}$`)
	keyARN   = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(?:key/([0-9a-f-]+|mrk-[0-9a-f]+)|(alias/[\w/-]+))$`)
)

// key is the ARN of a key, its Region, and its alias if it is known by that: in a
// policy it stands in a condition.
func (b *roleBuilder) key(key string) (arn, region cfn.Expression, alias string, err error) {
	m := keyARN.FindStringSubmatch(key)
	switch {
	case keyID.MatchString(key):
		return b.arn("kms", "key/"+key), b.region, "", nil
	case keyAlias.MatchString(key):
		return b.arn("kms", "key/*"), b.region, key, nil
	case m == nil:
		return arn, region, "", errors.New("the ARN, ID or alias of a key of KMS, such as arn:aws:kms:REGION:ACCOUNT:key/ID or alias/NAME")
	case m[3] != "":
		return cfn.Literal(strings.TrimSuffix(key, m[3]) + "key/*"), cfn.Literal(m[1]), m[3], nil
	}
	return cfn.Literal(key), cfn.Literal(m[1]), "", nil
}
