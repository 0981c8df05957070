package prove

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// The secrets of the endpoint, which only the source may see. Each has characters that
// encodings change.
const (
	secret = "ZaVnC4dhaV3Prove=="
	path   = "/receiver/v1/http/" + secret
	token  = "x-sumo-tok/en+Prove=="
)

// leaked returns the form in which a secret is in a text, "" if there is none.
func leaked(text string) string {
	for _, s := range []string{secret, token} {
		for _, form := range forms(s) {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

// forms returns what a secret looks like in texts: as it is and without its padding,
// percent-encoded, in hexadecimal, and in base64 wherever in the encoded text it begins.
func forms(secret string) []string {
	bare := strings.TrimRight(secret, "=")
	all := []string{secret, bare, url.QueryEscape(bare), url.PathEscape(bare), hex.EncodeToString([]byte(bare)), strings.ToUpper(hex.EncodeToString([]byte(bare)))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			// What stands before and after it changes the characters at its ends.
			whole := encoding.EncodeToString([]byte(strings.Repeat("?", before) + bare))
			all = append(all, whole[(8*before+5)/6:len(whole)-1])
		}
	}
	return all
}

// A secret is found wherever it was planted, and in nothing else.
func TestSecretsAreFoundInEachForm(t *testing.T) {
	for _, s := range []string{secret, token} {
		for name, text := range map[string]string{
			"plain":            "post https://host" + path + token + ": refused",
			"percent-encoded":  "to=" + url.QueryEscape("https://host/"+s),
			"part of a path":   "/v1/" + url.PathEscape(s),
			"JSON":             fmt.Sprintf(`{"url":%q}`, "https://host/"+s),
			"base64":           base64.StdEncoding.EncodeToString([]byte(s)),
			"base64, later":    base64.StdEncoding.EncodeToString([]byte("h" + s + "/more")),
			"base64, later on": base64.URLEncoding.EncodeToString([]byte("ht" + s + "/more")),
			"hexadecimal":      fmt.Sprintf("%x", "https://"+s),
			"HEXADECIMAL":      fmt.Sprintf("%X", "https://"+s),
		} {
			if leaked(text) == "" {
				t.Errorf("%s: %q is not found in %q", name, s, text)
			}
		}
	}
	for _, text := range []string{"", "https://host/receiver/v1/http/…", base64.StdEncoding.EncodeToString([]byte("https://host/receiver"))} {
		if form := leaked(text); form != "" {
			t.Errorf("%q has no secret, found %q", text, form)
		}
	}
}
