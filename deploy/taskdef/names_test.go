package taskdef_test

import (
	"fmt"
	"testing"

	"sumoship/deploy/taskdef"
	"sumoship/deploy/tree"
)

// TestNames has every name of a task definition that CloudFormation spells in
// its own way, and some that it does not.
func TestNames(t *testing.T) {
	for _, c := range []struct{ parent, camel, pascal string }{
		{"volumes", "efsVolumeConfiguration", "EFSVolumeConfiguration"},
		{"volumes", "fsxWindowsFileServerVolumeConfiguration", "FSxWindowsFileServerVolumeConfiguration"},
		{"volumes", "s3filesVolumeConfiguration", "S3FilesVolumeConfiguration"},
		{"authorizationConfig", "iam", "IAM"},
		{"efsVolumeConfiguration", "fileSystemId", "FilesystemId"},
		{"EFSVolumeConfiguration", "fileSystemId", "FilesystemId"},
		{"fsxWindowsFileServerVolumeConfiguration", "fileSystemId", "FileSystemId"},
		{"proxyConfiguration", "properties", "ProxyConfigurationProperties"},
		{"x", "properties", "Properties"},
		{"ephemeralStorage", "sizeInGiB", "SizeInGiB"},
		{"x", "readonlyRootFilesystem", "ReadonlyRootFilesystem"},
		{"x", "dnsServers", "DnsServers"},
		{"x", "_x", "_x"}, {"x", "é", "é"},
		// The keys of maps are data.
		{"options", "Tag", "Tag"}, {"Options", "tag", "tag"}, {"dockerLabels", "IAM", "IAM"}, {"driverOpts", "O", "O"}, {"labels", "A", "A"},
	} {
		for _, name := range []string{c.camel, c.pascal} {
			n, err := taskdef.Parse("in.json", fmt.Appendf(nil, `{%q: {%q: 1}}`, c.parent, name))
			if err != nil {
				t.Fatal(err)
			}
			if n.Key(c.parent).Field(c.camel) == nil {
				t.Errorf("Field(%q) does not find %q in %q", c.camel, name, c.parent)
			}
			for key, want := range map[tree.Case]string{tree.Camel: c.camel, tree.Pascal: c.pascal} {
				if got := taskdef.Recase(n.Key(c.parent), key); got.Key(want) == nil {
					t.Errorf("%q in %q is respelt %s, want %q", name, c.parent, got.Source(), want)
				}
			}
			if c.parent == "volumes" && taskdef.CamelName(name) != c.camel {
				t.Errorf("CamelName(%q) = %q, want %q", name, taskdef.CamelName(name), c.camel)
			}
		}
	}
}
