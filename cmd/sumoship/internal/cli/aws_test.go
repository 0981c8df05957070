package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// Endpoints that are no URLs are refused before a call, all at once, each with where it
// is set, unless the configuration says that none is used.
func TestEndpointsOfAWSAreRefusedEarly(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[default]\nendpoint_url = localhost:5000\n[profile calm]\nendpoint_url = localhost:5000\nignore_configured_endpoint_urls = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want []string // how the lines of the error begin
	}{
		"none":              {nil, nil},
		"URLs":              {map[string]string{"AWS_ENDPOINT_URL": "http://localhost:5000", "AWS_ENDPOINT_URL_SQS": "https://ann:SECRET@localhost"}, nil},
		"empty":             {map[string]string{"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SQS": ""}, nil},
		"of all services":   {map[string]string{"AWS_ENDPOINT_URL": "localhost:5000"}, []string{`AWS_ENDPOINT_URL: "localhost:5000" is not`}},
		"of one":            {map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "localhost"}, []string{`AWS_ENDPOINT_URL_SECRETS_MANAGER: "localhost" is not`}},
		"several":           {map[string]string{"AWS_ENDPOINT_URL_SQS": "ann:SECRET@a", "AWS_ENDPOINT_URL_S3": "b"}, []string{`AWS_ENDPOINT_URL_S3: "b" is not`, `AWS_ENDPOINT_URL_SQS: "a" is not`}},
		"of a file":         {map[string]string{"AWS_CONFIG_FILE": config}, []string{`endpoint_url of the AWS configuration: "localhost:5000" is not`}},
		"ignored":           {map[string]string{"AWS_ENDPOINT_URL": "localhost:5000", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, nil},
		"ignored by a file": {map[string]string{"AWS_ENDPOINT_URL": "localhost:5000", "AWS_CONFIG_FILE": config, "AWS_PROFILE": "calm"}, nil},
		"another variable":  {map[string]string{"AWS_ENDPOINT_URLS": "localhost:5000"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			clitest.SetAWS(t, "")
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			_, err := new(cli.AWSFlags).Load(t.Context())
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
				if e, ok := errors.AsType[cli.Exit](err); !ok || e.Status != cli.ExitUsage {
					t.Errorf("exit %+v", e)
				}
			}
			if len(lines) != len(c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, c.want[i]) {
					t.Errorf("%s\nwant %s", line, c.want[i])
				}
			}
		})
	}
}
