package leaktest

import (
	"encoding/base64"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
)

var output = flag.String("output", "", "file with the output of a run of tests, for TestOutputHoldsNoSecret")

// A secret is found wherever it was planted, and in nothing else.
func TestSecretsAreFoundInEachForm(t *testing.T) {
	for _, s := range []string{Secret, Token} {
		for name, text := range map[string]string{
			"plain":            "post https://host/" + s + ": refused",
			"without its end":  "post https://host/" + strings.TrimRight(s, "="),
			"percent-encoded":  "to=" + url.QueryEscape("https://host/"+s),
			"part of a path":   "/v1/" + url.PathEscape(s),
			"JSON":             fmt.Sprintf(`{"url":%q}`, "https://host/"+s),
			"base64":           base64.StdEncoding.EncodeToString([]byte(s)),
			"base64, later":    base64.StdEncoding.EncodeToString([]byte("h" + s + "/more")),
			"base64, later on": base64.URLEncoding.EncodeToString([]byte("ht" + s + "/more")),
			"hexadecimal":      fmt.Sprintf("%x", "https://"+s),
			"HEXADECIMAL":      fmt.Sprintf("%X", "https://"+s),
		} {
			if Find(text) == "" {
				t.Errorf("%s: a secret of %d characters is not found", name, len(s))
			}
		}
	}
	for _, text := range []string{"", "https://host/receiver/v1/http/…", base64.StdEncoding.EncodeToString([]byte("https://host/receiver"))} {
		if form := Find(text); form != "" {
			t.Errorf("%q has no secret, found %d characters", text, len(form))
		}
	}
}

// What a run of all tests has written holds no secret: .ci/run gives it to this test.
func TestOutputHoldsNoSecret(t *testing.T) {
	if *output == "" {
		t.Skip("without -output")
	}
	text, err := os.ReadFile(*output)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) == 0 {
		t.Fatalf("%s is empty", *output)
	}
	Check(t, *output, string(text))
}
