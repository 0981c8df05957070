package mask

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the figures into docs/rules.md")

// sample writes secrets, look-alikes and the text around them.
type sample struct{ *rand.Rand }

func (s sample) pick(of ...string) string { return of[s.IntN(len(of))] }

func (s sample) chars(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.IntN(len(alphabet))]
	}
	return string(b)
}

const (
	digits   = "0123456789"
	hexs     = "0123456789abcdef"
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	base64s  = capitals + lowers + digits + "+/"
	urls     = capitals + lowers + digits + "-_"
)

func (s sample) digits(n int) string { return s.chars(digits, n) }
func (s sample) hex(n int) string    { return s.chars(hexs, n) }
func (s sample) n(low, high int) int { return low + s.IntN(high-low+1) }
func (s sample) name() string {
	return s.pick("ann", "bob", "chloé", "dmitri", "o'neil", "fatima", "kenji", "li", "maria", "zoë")
}
func (s sample) word() string {
	return s.pick("order", "payment", "customer", "cart", "timeout", "retry", "worker", "cache", "queue", "user")
}
func (s sample) domain() string {
	return s.pick("example", "mail.example", "shop", "corp-mail", "a1", "x.y.example") + "." + s.pick("com", "org", "co.uk", "de", "io", "museum")
}
func (s sample) uuid() string {
	return s.hex(8) + "-" + s.hex(4) + "-4" + s.hex(3) + "-a" + s.hex(3) + "-" + s.hex(12)
}

// around puts a value into a line such as programs write.
func (s sample) around(value string) string {
	form := s.pick("%s", "value=%s", `{"id":7,"v":"%s"}`, "2026-11-27T10:11:12.345Z INFO "+s.word()+" %s accepted", s.word()+": %s.",
		"(%s)", `<v>%s</v>`, "[%s] "+s.word(), "GET /a?x=%s&y=1 HTTP/1.1", s.word()+" '%s', status 200", "%s\t"+s.word()+"\t17 ms", `msg="%s" code=12`)
	return fmt.Sprintf(form, value)
}

// luhn returns a number of n digits that begins with prefix and passes the check.
func (s sample) luhn(prefix string, n int) string {
	number := prefix + s.digits(n-1-len(prefix))
	sum := 0
	for i := range number {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return number + fmt.Sprint((10-sum%10)%10)
}

func grouped(number, separator string, lengths ...int) string {
	var parts []string
	for _, n := range lengths {
		parts, number = append(parts, number[:n]), number[n:]
	}
	return strings.Join(parts, separator)
}

func (s sample) iban() string {
	country, bban := "DE", s.digits(18)
	switch s.IntN(4) {
	case 0:
		country, bban = "GB", s.chars(capitals, 4)+s.digits(14)
	case 1:
		country, bban = "NO", s.digits(11)
	case 2:
		country, bban = "FR", s.digits(10)+s.chars(capitals+digits, 11)+s.digits(2)
	}
	rest := 0
	for _, c := range bban + country + "00" {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return fmt.Sprintf("%s%02d%s", country, 98-rest, bban)
}

func (s sample) jwt() string {
	return "eyJ" + s.chars(urls, s.n(15, 40)) + ".eyJ" + s.chars(urls, s.n(20, 200)) + "." + s.chars(urls, 43)
}

func (s sample) nanp() []string {
	return []string{s.pick("212", "415", "646", "808"), s.pick("555", "234", "867"), s.digits(4)}
}

// kinds of lines. A secret returns what must not be left, a look-alike what must.
var secrets = map[string]func(s sample) string{
	"e-mail": func(s sample) string { return s.name() + s.pick("", ".x", "+tag", "_9") + "@" + s.domain() },
	"e-mail in a query": func(s sample) string {
		return s.pick("ann", "bob.x", "kenji_1") + "%40" + s.domain()
	},
	"e-mail in capitals": func(s sample) string { return "BOB." + s.chars(capitals, 5) + "@EXAMPLE.COM" },
	"IPv4": func(s sample) string {
		return fmt.Sprintf("%d.%d.%d.%d", s.n(1, 223), s.n(0, 255), s.n(0, 255), s.n(1, 254))
	},
	"IPv6 in full": func(s sample) string {
		return grouped("2001"+s.hex(28), ":", 4, 4, 4, 4, 4, 4, 4, 4)
	},
	"IPv6 shortened": func(s sample) string { return "2a02:" + s.hex(3) + ":" + s.hex(4) + "::" + s.hex(2) + "7" },
	"Visa":           func(s sample) string { return s.luhn("4", 16) },
	"Visa in groups": func(s sample) string { return grouped(s.luhn("4", 16), s.pick(" ", "-"), 4, 4, 4, 4) },
	"Mastercard":     func(s sample) string { return s.luhn(s.pick("51", "52", "53", "54", "55", "2221", "2500"), 16) },
	"Amex":           func(s sample) string { return s.luhn(s.pick("34", "37"), 15) },
	"Amex in groups": func(s sample) string { return grouped(s.luhn("37", 15), " ", 4, 6, 5) },
	"other cards": func(s sample) string {
		return s.pick(s.luhn("6011", 16), s.luhn("3530", 16), s.luhn("36", 14), s.luhn("6221", 19))
	},
	"access key":    func(s sample) string { return s.pick("AKIA", "ASIA") + s.chars(capitals+"234567", 16) },
	"session token": func(s sample) string { return "IQoJb3JpZ2lu" + s.chars(base64s, s.n(200, 600)) },
	"JWT":           func(s sample) string { return s.jwt() },
	"IBAN":          func(s sample) string { return s.iban() },
	"phone, E.164": func(s sample) string {
		return "+" + s.pick("1212555", "4917012", "4420794", "3361234", "91987654") + s.digits(4)
	},
	"phone, in parts": func(s sample) string {
		return s.pick("+49 170 2", "+49-89-3", "+41 44 5", "+46 70 4") + s.digits(2) + " " + s.digits(2) + " " + s.digits(2)
	},
	"phone, France": func(s sample) string {
		return "+33 " + s.pick("6", "1", "7") + " " + grouped(s.digits(8), " ", 2, 2, 2, 2)
	},
	"phone, US":       func(s sample) string { n := s.nanp(); return "(" + n[0] + ") " + n[1] + "-" + n[2] },
	"phone, US, bare": func(s sample) string { return strings.Join(s.nanp(), s.pick("-", ".")) },
	"phone, GB": func(s sample) string {
		return s.pick("020 79"+s.digits(2)+" "+s.digits(4), "07"+s.digits(3)+" "+s.digits(6))
	},
	"phone, DE": func(s sample) string {
		return s.pick("0170 ", "0151/", "030 ", "089-") + s.pick("2", "5", "9") + s.digits(6)
	},
	"phone, FR": func(s sample) string { return grouped("06"+s.digits(8), s.pick(" ", ".", ""), 2, 2, 2, 2, 2) },
}

// Secrets that need the text before them: whole lines with the secret in braces.
var corpusLines = map[string]func(s sample) string{
	"secret key, in a file":   func(s sample) string { return "aws_secret_access_key = {" + s.chars(base64s, 40) + "}" },
	"secret key, environment": func(s sample) string { return "export AWS_SECRET_ACCESS_KEY={" + s.chars(base64s, 40) + "} # x" },
	"secret key, JSON": func(s sample) string {
		return `{"Credentials":{"SecretAccessKey":"{` + s.chars(base64s, 40) + `}","x":1}}`
	},
	"secret key, CSV": func(s sample) string {
		return s.name() + ",{AKIA" + s.chars(capitals+"234567", 16) + "},{" + s.chars(base64s, 40) + "}"
	},
	"bearer token": func(s sample) string {
		return s.pick("Authorization: Bearer ", "> authorization: bearer ", "sent Bearer ") + "{" + s.chars(urls, s.n(24, 60)) + "}"
	},
	"bearer JWT": func(s sample) string { return "Authorization: Bearer {" + s.jwt() + "} 200" },
	"basic":      func(s sample) string { return "Authorization: Basic {" + s.chars(base64s, s.n(4, 8)*4) + "} -" },
	"private key": func(s sample) string {
		kind := s.pick("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
		return "loaded {-----BEGIN " + kind + "PRIVATE KEY-----\n" + s.chars(base64s, 64) + "\n" + s.chars(base64s, 64) + "\n-----END " + kind + "PRIVATE KEY-----} from disk"
	},
	"private key, cut": func(s sample) string { return `key="{-----BEGIN PRIVATE KEY-----\n` + s.chars(base64s, 200) + "}" },
	"IBAN in groups":   func(s sample) string { return "to {" + ibanGroups(s.iban()) + "} today" },
	"two secrets":      func(s sample) string { return "{" + s.name() + "@example.com} paid with {" + s.luhn("4", 16) + "}" },
	"address and port": func(s sample) string {
		return fmt.Sprintf("connect to {10.%d.%d.7}:5432 failed", s.n(0, 255), s.n(0, 255))
	},
	"access log": func(s sample) string {
		return fmt.Sprintf(`{10.0.%d.%d} - - [27/Nov/2026:10:11:12 +0000] "GET / HTTP/1.1" 200 17 "-" "Mozilla/5.0 (X11) Chrome/120.0.0.0 Safari/537.36"`, s.n(0, 255), s.n(0, 255))
	},
	"connection in a log": func(s sample) string {
		return "accepted [{2a02:8109::" + s.hex(3) + "1}]:443 from web/{10.1.2." + fmt.Sprint(s.n(1, 254)) + "}"
	},
	"e-mail with a name": func(s sample) string {
		return `To: "Ann Lee" <{ann.` + s.chars(lowers, 4) + "@" + s.domain() + "}>, retry in 5 s"
	},
	"credentials of a URL": func(s sample) string {
		return "cloning https://x:y@host/ for {" + s.chars(lowers, 6) + "@" + s.domain() + "}"
	},
}

func ibanGroups(s string) string {
	var parts []string
	for ; len(s) > 4; s = s[4:] {
		parts = append(parts, s[:4])
	}
	return strings.Join(append(parts, s), " ")
}

var lookalikes = map[string]func(s sample) string{
	"UUID":             func(s sample) string { return s.uuid() },
	"SHA-1":            func(s sample) string { return s.hex(40) },
	"SHA-256":          func(s sample) string { return "sha256:" + s.hex(64) },
	"MD5, trace id":    func(s sample) string { return s.hex(32) },
	"trace of X-Ray":   func(s sample) string { return "1-" + s.hex(8) + "-" + s.hex(24) },
	"time in ms":       func(s sample) string { return "17" + s.digits(11) },
	"time in ns":       func(s sample) string { return "17" + s.digits(17) },
	"number of 16":     func(s sample) string { return s.digits(16) },
	"number of 12":     func(s sample) string { return s.digits(12) },
	"IMEI":             func(s sample) string { return s.luhn("35", 15) },
	"EAN":              func(s sample) string { return "400" + s.digits(10) },
	"decimal fraction": func(s sample) string { return "0." + s.digits(16) },
	"version of four": func(s sample) string {
		return "v" + fmt.Sprintf("%d.%d.%d.%d", s.n(0, 20), s.n(0, 20), s.n(0, 99), s.n(0, 99))
	},
	"version of three": func(s sample) string { return fmt.Sprintf("%d.%d.%d", s.n(0, 20), s.n(0, 20), s.n(0, 99)) },
	"browser":          func(s sample) string { return fmt.Sprintf("Chrome/%d.0.0.0 Safari/537.36", s.n(90, 140)) },
	"OID":              func(s sample) string { return fmt.Sprintf("1.3.6.1.4.1.%d.%d", s.n(1, 60000), s.n(1, 99)) },
	"time of day":      func(s sample) string { return fmt.Sprintf("%02d:%02d:%02d", s.n(0, 23), s.n(0, 59), s.n(0, 59)) },
	"MAC address":      func(s sample) string { return grouped(s.hex(12), ":", 2, 2, 2, 2, 2, 2) },
	"C++ name": func(s sample) string {
		return s.pick("std::vector", "face::bad", "a::b", "ads::Cafe") + "::" + s.word()
	},
	"ARN":             func(s sample) string { return "arn:aws:ecs:eu-west-1:" + s.digits(12) + ":task/shop/" + s.hex(32) },
	"unit of systemd": func(s sample) string { return s.word() + "@" + s.word() + ".service" },
	"image @2x":       func(s sample) string { return s.word() + "@2x." + s.pick("png", "jpg", "webp") },
	"module version": func(s sample) string {
		return "github.com/x/" + s.word() + "@v" + fmt.Sprintf("%d.%d.%d", s.n(0, 9), s.n(0, 9), s.n(0, 9))
	},
	"Git remote":      func(s sample) string { return "git@github.com:x/" + s.word() + ".git" },
	"image digest":    func(s sample) string { return "shop@sha256:" + s.hex(64) },
	"Java object":     func(s sample) string { return "com.example.Order@" + s.hex(8) },
	"header of a JWT": func(s sample) string { return "eyJ" + s.chars(urls, 30) },
	"bearer in prose": func(s sample) string {
		return s.pick("bearer authentication failed", "the bearer of news", "missing Bearer credentials")
	},
	"secret in prose":  func(s sample) string { return "secret " + s.word() + "-" + s.hex(5) + " mounted" },
	"hash of a secret": func(s sample) string { return "secret_sha1=" + s.hex(40) },
	"base64 of 40":     func(s sample) string { return "etag " + s.chars(base64s, 40) },
	"role id":          func(s sample) string { return s.pick("AROA", "AIDA", "AGPA") + s.chars(capitals+"234567", 16) },
	"public key": func(s sample) string {
		return `-----BEGIN PUBLIC KEY-----\n` + s.chars(base64s, 60) + `\n-----END PUBLIC KEY-----`
	},
	"time zone":         func(s sample) string { return fmt.Sprintf("2026-11-27T10:11:12+0%d:00", s.n(0, 9)) },
	"offset":            func(s sample) string { return "+0" + s.pick("100", "530", "000") },
	"sum":               func(s sample) string { return "a+" + s.digits(10) },
	"date":              func(s sample) string { return fmt.Sprintf("%02d-%02d-20%02d", s.n(1, 28), s.n(1, 12), s.n(20, 29)) },
	"order, US-like":    func(s sample) string { return "1" + s.digits(2) + "-" + s.digits(3) + "-" + s.digits(4) },
	"part number":       func(s sample) string { return s.digits(3) + "-" + s.digits(7) + "-" + s.digits(7) },
	"wrong IBAN":        func(s sample) string { i := s.iban(); return i[:2] + "00" + i[4:] },
	"network interface": func(s sample) string { return "eni-0" + s.hex(16) },
	"price":             func(s sample) string { return fmt.Sprintf("%d.%02d EUR for %d", s.n(1, 900), s.n(0, 99), s.n(1, 9)) },
	"coordinates": func(s sample) string {
		return fmt.Sprintf("%d.%s,%d.%s", s.n(10, 60), s.digits(6), s.n(1, 20), s.digits(6))
	},
	"pod": func(s sample) string {
		return s.word() + "-" + s.chars("bcdfghjklmnpqrstvwxz2456789", 10) + "-" + s.chars("bcdfghjklmnpqrstvwxz2456789", 5)
	},
}

// Lines written by hand, with the secrets in braces.
var handWritten = strings.Split(strings.TrimSpace(`
user {ann@example.com} logged in from {203.0.113.9} with session 01HF7YAT31JZ
{"level":"warn","msg":"card {4242 4242 4242 4242} declined","code":"do_not_honor"}
SMTP 550 5.1.1 <{bob@shop.co.uk}>: recipient rejected (mx 74.125.24.0.1)
2026/11/27 10:11:12 [error] 7#7: *91 upstream timed out, client: {198.51.100.7}, server: shop.example, request: "GET /v1/2.0.0.1x HTTP/1.1"
Failed password for root from {198.51.100.23} port 51514 ssh2
refund to {DE89 3704 0044 0532 0130 00}, reference RF18539007547034
curl -H 'Authorization: Bearer {ghp_16C7e42F292c6912E7710c838347Ae178B4a}' https://api.example.com
pq: duplicate key value violates unique constraint "users_email_key" (email)=({kenji@example.org})
Set-Cookie: id={eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ}; Path=/
sms to {+44 7700 900123}: your code is 481516
callback requested: {(415) 555-0134}, ext. 22
REPORT RequestId: 8f5a1f6e-55b7-4b5c-9a0c-0e2c3f1b2a4d	Duration: 12.34 ms	Billed Duration: 13 ms
START RequestId: 8f5a1f6e-55b7-4b5c-9a0c-0e2c3f1b2a4d Version: $LATEST
	at com.example.order.Controller.invoke(Controller.java:417)
java.lang.IllegalStateException: cart 4111-22 of shop@EU not found
npm WARN deprecated request@2.88.2: see https://github.com/request/request/issues/3142
Successfully tagged shop:1.2.3.4-rc1
kernel: eth0: link up, 1000Mbps, full-duplex, lpa 0xC5E1, mac 02:42:ac:11:00:02
GET /health 200 1.2ms trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
connect ECONNREFUSED {127.0.0.1}:6379
listening on [{::1}]:8080 and 8443
2 123456789012 eni-0a1b2c3d4e5f60718 {10.0.1.5} {10.0.2.9} 443 51514 6 10 840 1700000000 1700000060 ACCEPT OK
Subject: CN=example.com, serial 4a:5b:6c:7d:8e:9f:01:23, valid until Nov 27 10:11:12 2027 GMT
isbn 978-3-16-148410-0 shipped in 3-5 days, weight 0.4 kg
`), "\n")

// line is a line of the corpus with the secrets in it.
type line struct {
	kind, text string
	secrets    []string
}

var inBraces = regexp.MustCompile(`\{([^{}"]{3,}?)\}`)

// parse takes the secrets out of their braces.
func parse(kind, marked string) line {
	l := line{kind: kind, text: inBraces.ReplaceAllString(marked, "$1")}
	for _, m := range inBraces.FindAllStringSubmatch(marked, -1) {
		l.secrets = append(l.secrets, m[1])
	}
	return l
}

func corpus() []line {
	const perKind = 30
	s := sample{rand.New(rand.NewPCG(16, 1))}
	var out []line
	for _, kind := range sorted(secrets) {
		for range perKind {
			secret := secrets[kind](s)
			out = append(out, line{kind, s.around(secret), []string{secret}})
		}
	}
	for _, kind := range sorted(corpusLines) {
		for range perKind {
			out = append(out, parse(kind, corpusLines[kind](s)))
		}
	}
	for _, kind := range sorted(lookalikes) {
		for range perKind {
			out = append(out, line{kind: kind, text: s.around(lookalikes[kind](s))})
		}
	}
	for _, text := range handWritten {
		out = append(out, parse("by hand", text))
	}
	return out
}

func sorted(m map[string]func(sample) string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The masks find what they should and little else. The figures of docs/rules.md are
// those of this corpus.
func TestCorpus(t *testing.T) {
	set := all(t)
	total, found, findings, right := 0, 0, 0, 0
	missed, wrong := map[string]int{}, map[string]int{}
	lines := corpus()
	for _, l := range lines {
		covered := make([]bool, len(l.text)) // by secrets
		type place struct{ from, to int }
		var places []place
		for _, secret := range l.secrets {
			at := strings.Index(l.text, secret)
			places = append(places, place{at, at + len(secret)})
			for i := range secret {
				covered[at+i] = true
			}
		}
		masked := make([]bool, len(l.text))
		for _, sp := range set.find(nil, []byte(l.text), nil) {
			findings++
			if slices.Contains(covered[sp.start:sp.end], true) {
				right++
			} else {
				wrong[l.kind+": "+l.text[sp.start:sp.end]]++
			}
			for i := sp.start; i < sp.end; i++ {
				masked[i] = true
			}
		}
		for _, p := range places {
			total++
			if !slices.Contains(masked[p.from:p.to], false) {
				found++
			} else {
				missed[l.kind+": "+l.text]++
			}
		}
	}
	recall, precision := float64(found)/float64(total), float64(right)/float64(findings)
	kinds := len(secrets) + len(lookalikes) + len(corpusLines)
	t.Logf("%d lines, %d secrets; recall %.4f, precision %.4f\nmissed: %v\nwrong: %v", len(lines), total, recall, precision, missed, wrong)
	if recall < 0.98 || precision < 0.95 || len(lines) < 2000 || kinds < 40 {
		t.Errorf("recall %.3f, want 0.98; precision %.3f, want 0.95; %d lines of %d kinds", recall, precision, len(lines), kinds)
	}
	const name = "../../docs/rules.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	figures := regexp.MustCompile(`\d+ lines of \d+ kinds, with \d+ secrets: recall [\d.]+, precision \d\.\d+`)
	want := fmt.Sprintf("%d lines of %d kinds, with %d secrets: recall %.3f, precision %.3f", len(lines), kinds, total, recall, precision)
	if got := figures.FindString(string(page)); got != want {
		if !*update {
			t.Fatalf("docs/rules.md says %q; want %q (go test ./rules/mask -update)", got, want)
		}
		if err := os.WriteFile(name, figures.ReplaceAll(page, []byte(want)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
