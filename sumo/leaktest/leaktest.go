// Package leaktest has the secrets of an endpoint for tests, and finds them, however
// they are encoded, in what must not hold them: logs, metrics, messages, output, files.
package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The secrets, which only a source may see. Each has characters that encodings change.
const (
	Secret = "ZaVnC4dhaV3Prove==" // the last part of the endpoint's path
	Path   = "/receiver/v1/http/" + Secret
	Token  = "x-sumo-tok/en+Prove==" // X-Sumo-Token
)

// Check fails a test if a text of that name holds a secret.
func Check(t testing.TB, name, text string) {
	t.Helper()
	if form := Find(text); form != "" {
		t.Errorf("a secret is in %s, as %s", name, form)
	}
}

var all = slices.Concat(forms(Secret), forms(Token))

// Find returns the form in which a secret is in a text, "" if none is.
func Find(text string) string {
	for _, form := range all {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

// forms returns what a secret looks like in texts: as it is and without its padding,
// percent-encoded, in hexadecimal, and in base64 wherever in the encoded text it begins.
func forms(secret string) []string {
	bare := strings.TrimRight(secret, "=")
	found := []string{bare, url.QueryEscape(bare), url.PathEscape(bare), hex.EncodeToString([]byte(bare)), strings.ToUpper(hex.EncodeToString([]byte(bare)))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			// The text before and after it changes the characters at its ends.
			whole := encoding.EncodeToString([]byte(strings.Repeat("?", before) + bare))
			found = append(found, whole[(8*before+5)/6:len(whole)-1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
