package sumo

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

// Wherever a secret stands in a text, at its very start and end too, encoded as often
// as it may be, no five characters of it are left, and the rest of the text is.
func TestRedactHidesEveryPart(t *testing.T) {
	const secret = "ZaVnC4dhAaV3/7xQ=="
	ep, err := ParseEndpoint("https://collectors.example.com/receiver/v1/http/"+url.PathEscape(secret), "")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 5))
	pieces := []string{"", " ", "quoted: \"", "\"", "%", "%2", "was refused"}
	encode := []func(string) string{
		func(s string) string { return s }, url.PathEscape, url.QueryEscape, strings.ToUpper,
		func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
		func(s string) string { // every character
			return "%" + strings.ToLower(strings.ReplaceAll(fmt.Sprintf("% X", s), " ", "%"))
		},
	}
	for range 5000 {
		from := rng.IntN(len(secret) - leastSecret + 1)
		to := from + leastSecret + rng.IntN(len(secret)-from-leastSecret+1)
		before, after := pieces[rng.IntN(len(pieces))], pieces[rng.IntN(len(pieces))]
		text := before + encode[rng.IntN(len(encode))](secret[from:to]) + after
		got := ep.redact(text)
		plain, _ := fold(got)
		for i := 0; i+leastSecret <= len(secret); i++ {
			part, _ := fold(secret[i : i+leastSecret])
			if strings.Contains(string(plain), string(part)) {
				t.Fatalf("%q of %q is left in %q", part, text, got)
			}
		}
	}
	for _, text := range []string{"", "no secret here", "100 %", "C4dh is too short a part", "%zz"} {
		if got := ep.redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// A certificate that nobody trusts is named as that, not as any other trouble of TLS.
func TestCertificateReasonsAreTold(t *testing.T) {
	for want, err := range map[string]error{
		"signed by unknown authority":     x509.UnknownAuthorityError{},
		"is not valid for this host":      x509.HostnameError{Certificate: &x509.Certificate{}, Host: "a"},
		"has expired or is not yet valid": x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired},
		"":                                errors.New("none of these"),
	} {
		if got := certificateReason(fmt.Errorf("wrapped: %w", err)); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q, want %q in it", got, want)
		}
	}
}
