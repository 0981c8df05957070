package deploy

import (
	"errors"
	"regexp"
	"slices"
	"strings"

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
	ecrImage  = regexp.MustCompile(`^(\d{12}|` + standIn + `)\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+|` + standIn + `)\.[^/]+/([^@]+?)(?::[^:/@]*)?(?:@.*)?$`)
	imageTail = regexp.MustCompile(`^(` + standIn + `)(?:[:@].*)?$`)
	registry  = regexp.MustCompile(`^[^/:@]*` + standIn)
)

// image lets the execution role pull the image of a container.
func (b *roleBuilder) image(container *tree.Node) {
	n := container.Get("image")
	for _, e := range b.read(n) {
		if m := ecrImage.FindStringSubmatch(e.text); m != nil {
			b.pull(concat("arn:", b.partition, ":ecr:", e.sub(m[2]), ":", e.sub(m[1]), ":repository/", e.sub(m[3])))
			continue
		}
		if m := imageTail.FindStringSubmatch(e.text); m != nil {
			// ${Repository.RepositoryUri}:tag
			resource, name := attribute(e.sub(m[1]).only().node)
			if name == "RepositoryUri" && b.typeOf(resource) == "AWS::ECR::Repository" {
				b.pull(unknownPart(getAtt(resource, "Arn"), n))
				continue
			}
		}
		if registry.MatchString(e.text) {
			b.images = append(b.images, n)
		}
	}
	for _, credentials := range b.each(container.Get("repositoryCredentials")) {
		for _, e := range b.read(credentials.Get("credentialsParameter")) {
			b.secret(e)
		}
	}
}

func (b *roleBuilder) pull(repository expression) {
	b.execution.allow("GetRegistryToken", pullToken, literal("*"))
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
			b.pull(literal(name))
		default:
			b.wrong(&OptionError{"Repositories", name, "the name or ARN of a repository of Amazon ECR, or none"})
		}
	}
	if len(b.Repositories) > 0 {
		return
	}
	for _, n := range b.images {
		b.wrong(b.Errorf(n, "name its repository of Amazon ECR with --repository, or say --repository none if it is in none", "the registry of the image at %s is known only when it is deployed", n.Pointer()))
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
	for _, configuration := range b.each(container.Get("logConfiguration")) {
		lists = append(lists, configuration.Get("secretOptions"))
	}
	for _, list := range lists {
		for _, s := range b.each(list) {
			for _, e := range b.read(s.Get("valueFrom")) {
				b.valueFrom(e)
			}
		}
	}
}

var (
	// A key, a stage and a version may follow the ARN of a secret.
	secretARN    = regexp.MustCompile(`^(arn:[^:]+:secretsmanager:[^:]+:[^:]+:secret:[^:]+)(?::.*)?$`)
	parameterARN = regexp.MustCompile(`^(arn:[^:]+:ssm:[^:]+:[^:]*:parameter/[^:]+)(?::.*)?$`)
	secretRef    = regexp.MustCompile(`^(` + standIn + `)(:[^:]*:[^:]*:[^:]*)?$`)
	bareName     = regexp.MustCompile(`^(?:[\w./-]|` + standIn + `)+`)
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
func (b *roleBuilder) valueFrom(e expression) {
	if m := secretARN.FindStringSubmatch(e.text); m != nil {
		b.secret(e.sub(m[1]))
		return
	}
	if m := parameterARN.FindStringSubmatch(e.text); m != nil {
		b.parameter(e.sub(m[1]))
		return
	}
	if m := secretRef.FindStringSubmatch(e.text); m != nil {
		ref := e.sub(m[1])
		kind := b.typeOf(refName(ref.only().node))
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
	name := strings.TrimPrefix(bareName.FindString(e.text), "/")
	switch {
	case strings.HasPrefix("/"+name, referredSecrets):
		b.secret(b.arn("secretsmanager", "secret:", e.sub(strings.TrimPrefix("/"+name, referredSecrets))))
		fallthrough
	default:
		b.parameter(b.arn("ssm", "parameter/", e.sub(name)))
	case strings.HasPrefix(name, "aws/service/"): // public: of no account
		b.parameter(concat("arn:", b.partition, ":ssm:", b.region, "::parameter/", e.sub(name)))
	}
}

// ssmParameter is the ARN of a parameter of the template: its Ref is a name,
// with or without a slash at its beginning.
func (b *roleBuilder) ssmParameter(ref expression) expression {
	name := b.Resource(refName(ref.only().node)).Key("Properties").Key("Name")
	if e, err := b.expression(name); name != nil && err == nil && strings.HasPrefix(e.text, "/") {
		return b.arn("ssm", "parameter", ref)
	}
	return b.arn("ssm", "parameter/", ref)
}

func (b *roleBuilder) parameter(arn expression) {
	b.decrypts("ssm")
	b.execution.allow("ReadParameters", readParam, arn)
}

// complete is how a complete ARN of a secret ends: with a hyphen and six random
// characters. Of what looks like a word, or is known only when it is deployed, it
// is not known whether it is such an end.
var (
	complete = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
	likeWord = regexp.MustCompile(`(?:-[a-z]{6}|` + standIn + `)$`)
)

// secret lets the execution role read a secret by its ARN, complete or not, or by
// what stands for one.
//
// Source: AWS Secrets Manager User Guide, "Troubleshoot" (partial ARNs) and
// "Identity-based policies" (the six question marks).
func (b *roleBuilder) secret(e expression) {
	b.decrypts("secretsmanager")
	for _, arn := range secretARNs(b.secretNamed(e)) {
		b.execution.allow("ReadSecrets", readSecret, arn)
	}
}

// secretNamed is the ARN of a secret that may be given by its name.
func (b *roleBuilder) secretNamed(e expression) expression {
	if e.only() != nil || strings.HasPrefix(e.text, "arn:") {
		return e
	}
	return b.arn("secretsmanager", "secret:", e)
}

// secretARNs are the resources that a policy has to name for a secret.
func secretARNs(e expression) []expression {
	partial := e.sub(e.text + "-??????")
	switch {
	case e.only() != nil:
		return []expression{e}
	case likeWord.MatchString(e.text):
		return []expression{e, partial}
	case !complete.MatchString(e.text):
		return []expression{partial}
	}
	return []expression{e}
}

var s3Object = regexp.MustCompile(`^(arn:[^:]+:s3:::[^/]+|` + standIn + `)/.+$`)

// environmentFiles lets the execution role read the files of a container.
func (b *roleBuilder) environmentFiles(container *tree.Node) {
	for _, f := range b.each(container.Get("environmentFiles")) {
		for _, e := range b.read(f.Get("value")) {
			b.decrypts("s3")
			b.execution.allow("ReadEnvironmentFiles", readFile, e)
			if m := s3Object.FindStringSubmatch(e.text); m != nil {
				b.execution.allow("FindEnvironmentFiles", findBucket, e.sub(m[1]))
				continue
			}
			split := object(prop("Fn::Split", tree.NewArray(tree.NewString("/"), e.node())))
			bucket := object(prop("Fn::Select", tree.NewArray(tree.NewInt(0), split)))
			b.execution.allow("FindEnvironmentFiles", findBucket, unknownPart(bucket, f.Get("value")))
		}
	}
}

// awslogs lets the execution role write to a log group.
func (b *roleBuilder) awslogs(options *tree.Node) {
	create, _ := options.Key("awslogs-create-group").Bool()
	regions := b.read(options.Key("awslogs-region"))
	if len(regions) == 0 {
		regions = []expression{b.region}
	}
	for _, group := range b.read(options.Key("awslogs-group")) {
		for _, region := range regions {
			arn := concat("arn:", b.partition, ":logs:", region, ":", b.account, ":log-group:", group)
			b.execution.allow("WriteLogs", writeLogs, concat(arn, ":log-stream:*"))
			if create {
				// CloudWatch Logs asks for the right by the ARN with ":log-stream:"
				// at its end.
				b.execution.allow("CreateLogGroups", makeGroups, arn)
				b.execution.allow("CreateLogGroups", makeGroups, concat(arn, ":*"))
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
		b.wrong(&OptionError{"Keys", strings.Join(b.Keys, ", "), "no key: nothing in the definition is a secret, a parameter or an environment file"})
		return
	}
	for _, key := range b.Keys {
		arn, region, alias, err := b.key(key)
		if err != nil {
			b.wrong(&OptionError{"Keys", key, err.Error()})
			continue
		}
		via := condition{"StringLike", "kms:ViaService", nil}
		for _, s := range b.services {
			via.values = append(via.values, concat(s+".", region, ".*"))
		}
		conditions := []condition{via}
		if alias != "" {
			conditions = append(conditions, condition{"ForAnyValue:StringEquals", "kms:ResourceAliases", []expression{literal(alias)}})
		}
		b.execution.alone("Decrypt", decrypt, []expression{arn}, conditions...)
	}
}

var (
	keyID    = regexp.MustCompile(`^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	keyAlias = regexp.MustCompile(`^alias/[\w/-]{1,250}$`)
	keyARN   = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(?:key/([0-9a-f-]+|mrk-[0-9a-f]+)|(alias/[\w/-]+))$`)
)

// key is the ARN of a key, its Region, and its alias if it is known by that: in a
// policy it stands in a condition.
func (b *roleBuilder) key(key string) (arn, region expression, alias string, err error) {
	m := keyARN.FindStringSubmatch(key)
	switch {
	case keyID.MatchString(key):
		return b.arn("kms", "key/"+key), b.region, "", nil
	case keyAlias.MatchString(key):
		return b.arn("kms", "key/*"), b.region, key, nil
	case m == nil:
		return arn, region, "", errors.New("the ARN, ID or alias of a key of KMS, such as arn:aws:kms:REGION:ACCOUNT:key/ID or alias/NAME")
	case m[3] != "":
		return literal(strings.TrimSuffix(key, m[3]) + "key/*"), literal(m[1]), m[3], nil
	}
	return literal(key), literal(m[1]), "", nil
}
