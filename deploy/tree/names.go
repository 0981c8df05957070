package tree

import "strings"

// maps are the members of a task definition whose own members are named by its
// author, so that their keys mean what they say in every case.
// Source: Amazon ECS API reference, ContainerDefinition (dockerLabels),
// LogConfiguration, FirelensConfiguration (options), DockerVolumeConfiguration
// (driverOpts, labels).
var maps = map[string]bool{
	"options":      true,
	"dockerLabels": true,
	"driverOpts":   true,
	"labels":       true,
}

// irregular are the names that CloudFormation does not make by a capital first
// letter: everywhere, or in the object that is the member parent of another.
// Source: CloudFormation resource schema of AWS::ECS::TaskDefinition.
var irregular = [...]struct{ parent, camel, pascal string }{
	{"", "efsVolumeConfiguration", "EFSVolumeConfiguration"},
	{"", "fsxWindowsFileServerVolumeConfiguration", "FSxWindowsFileServerVolumeConfiguration"},
	{"", "s3filesVolumeConfiguration", "S3FilesVolumeConfiguration"},
	{"", "iam", "IAM"},
	{"efsVolumeConfiguration", "fileSystemId", "FilesystemId"},
	{"proxyConfiguration", "properties", "ProxyConfigurationProperties"},
}

// IsMap reports whether a member of this name, in either case, is a map whose
// keys its author chose.
func IsMap(name string) bool { return maps[Camel(name, "")] }

// Pascal returns the name that CloudFormation gives the member that the ECS API
// calls name, in the object that is itself the member parent of another. Both
// may be in either case.
func Pascal(name, parent string) string {
	name = Camel(name, parent)
	for _, n := range irregular {
		if n.camel == name && (n.parent == "" || strings.EqualFold(n.parent, parent)) {
			return n.pascal
		}
	}
	return first(name, strings.ToUpper)
}

// Camel returns the name that the ECS API gives the member that CloudFormation
// calls name. It is the inverse of [Pascal].
func Camel(name, parent string) string {
	for _, n := range irregular {
		if n.pascal == name && (n.parent == "" || strings.EqualFold(n.parent, parent)) {
			return n.camel
		}
	}
	return first(name, strings.ToLower)
}

// first applies f to the first letter, if it is an ASCII letter.
func first(name string, f func(string) string) string {
	if name == "" || name[0] >= 0x80 {
		return name
	}
	if letter := f(name[:1]); letter != name[:1] {
		return letter + name[1:]
	}
	return name
}

// sameName reports whether key, in an object that is the member parent, is how
// some document spells the member that the schema calls name.
func sameName(key, name, parent string) bool {
	if len(key) == len(name) {
		return strings.EqualFold(key, name)
	}
	return len(key) > len(name) && Camel(key, parent) == name
}

// spell writes a name of the schema in the case of a document.
func spell(name, parent string, pascal bool) string {
	if pascal {
		return Pascal(name, parent)
	}
	return Camel(name, parent)
}

// pascal reports whether the names around a node are PascalCase, as those of
// CloudFormation are: its own, or those of its siblings, or those of what holds
// them. Without any, they are camelCase.
func pascal(n *Node) bool {
	for ; n != nil; n = n.parent {
		if n.kind == Array {
			for _, item := range n.items {
				if upper, ok := caseOf(item); ok {
					return upper
				}
			}
		}
		if upper, ok := caseOf(n); ok {
			return upper
		}
	}
	return false
}

// caseOf tells whether the first name of an object has a capital.
func caseOf(n *Node) (upper, ok bool) {
	if n.Kind() != Object || inMap(n) || n.Opaque() {
		return false, false
	}
	for _, f := range n.fields {
		if f.name != "" {
			switch c := f.name[0]; {
			case 'a' <= c && c <= 'z':
				return false, true
			case 'A' <= c && c <= 'Z':
				return true, true
			}
		}
	}
	return false, false
}

// inMap reports whether the keys of an object are its author's.
func inMap(n *Node) bool {
	for ; n != nil; n = n.parent {
		if n.name != "" && IsMap(n.name) {
			return true
		}
	}
	return false
}
