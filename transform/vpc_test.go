package transform

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseNetworks(t *testing.T) {
	for _, tt := range []struct {
		list    string
		in, out string // addresses
	}{
		{"", "", "10.0.0.1 0.0.0.0 ::1"},
		{" , ,", "", "10.0.0.1"},
		{"10.0.0.0/8", "10.0.0.0 10.255.255.255", "9.255.255.255 11.0.0.0 ::a00:1"},
		{"10.1.2.3/8", "10.0.0.0 10.255.255.255", "11.0.0.0"}, // an address, its network meant
		{"10.1.2.3/32", "10.1.2.3", "10.1.2.2 10.1.2.4"},
		{"0.0.0.0/0", "1.2.3.4 255.255.255.255", "::1"},
		{"10", "10.0.0.1 10.255.0.1", "100.0.0.1 1.0.0.1"},
		{"10.", "10.0.0.1", "100.0.0.1"},
		{"10.1", "10.1.0.0 10.1.255.255", "10.10.0.1 10.100.0.1 10.0.0.1"},
		{"10.1.", "10.1.0.0", "10.10.0.1"},
		{"10.0", "10.0.0.1", "10.1.0.1"},
		{"10.1.2", "10.1.2.0 10.1.2.255", "10.1.20.1 10.1.3.1"},
		{"10.1.2.3", "10.1.2.3", "10.1.2.30 10.1.2.4"},
		{"10.8.0.0", "10.8.0.1 10.8.255.1", "10.9.0.1 10.80.0.1"},
		{"10.0.0.0", "10.0.0.1 10.255.0.1", "11.0.0.1"},
		{"10.0.8.0", "10.0.8.1", "10.0.80.1 10.0.9.1"},
		{" 10.1 ,,172.16.0.0/12\t", "10.1.0.1 172.16.0.1 172.31.255.255", "172.32.0.1 10.2.0.1"},
		{"2001:db8::/32", "2001:db8::1 2001:db8:ffff::1", "2001:db9::1"},
		{"2001:db8:", "2001:db8::1 2001:db8:1::1", "2001:db80::1 2001:db9::1"},
		{"2001:db8:1", "2001:db8:1::1 2001:db8:1:2::1", "2001:db8:10::1"},
		{"2001:DB8::A", "2001:db8::a", "2001:db8::ab 2001:db8::1"},
		{"fe80::", "fe80::1", "fe81::1"},
		{"::1", "::1", "::10"},
	} {
		nets, err := ParseNetworks(tt.list)
		if err != nil {
			t.Errorf("ParseNetworks(%q): %v", tt.list, err)
		}
		for _, a := range strings.Fields(tt.in) {
			if !inside([]byte(a), nets) {
				t.Errorf("%s is not in %q", a, tt.list)
			}
		}
		for _, a := range strings.Fields(tt.out) {
			if inside([]byte(a), nets) {
				t.Errorf("%s is in %q", a, tt.list)
			}
		}
		for _, a := range []string{"", "-", "x", "10", "10.1", "10.1.0.1:80", "10.1.0.1/32", "10.1.0.01"} {
			if inside([]byte(a), nets) {
				t.Errorf("%q is not an address, but in %q", a, tt.list)
			}
		}
	}
}

func TestParseNetworksReportsEveryMistake(t *testing.T) {
	for list, want := range map[string][]string{
		"10.0.0.0/33":                    {`"10.0.0.0/33"`},
		"10/8":                           {`"10/8"`},
		"2001:db8::/129":                 {`"2001:db8::/129"`},
		"256":                            {`"256"`},
		"10.1.2.3.4":                     {`"10.1.2.3.4"`},
		"10..1":                          {`"10..1"`},
		".":                              {`"."`},
		"-1":                             {`"-1"`},
		"vpc-1":                          {`"vpc-1"`},
		"10.1*":                          {`"10.1*"`},
		"fe80::%eth0":                    {`"fe80::%eth0"`},
		"::ffff:10.0.0.1":                {`"::ffff:10.0.0.1"`},
		"10.0.0.0/8, x ,10.1,y/1,300.1,": {`"x"`, `"y/1"`, `"300.1"`},
	} {
		_, err := ParseNetworks(list)
		if err == nil {
			t.Errorf("ParseNetworks(%q): no error", list)
			continue
		}
		if n := len(strings.Split(err.Error(), "\n")); n != len(want) {
			t.Errorf("ParseNetworks(%q): %d errors, want %d: %v", list, n, len(want), err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("ParseNetworks(%q): %v does not name %s", list, err, w)
			}
		}
	}
}

// An address of IPv4 within IPv6 is the IPv4 address.
func TestNetworksHoldMappedAddresses(t *testing.T) {
	nets, _ := ParseNetworks("10.0.0.0/8")
	if !inside([]byte("::ffff:10.1.2.3"), nets) || inside([]byte("::ffff:11.1.2.3"), nets) {
		t.Error("want ::ffff:10.1.2.3 in 10.0.0.0/8, and ::ffff:11.1.2.3 not")
	}
	if (Network{}).contains(netip.MustParseAddr("10.1.2.3")) {
		t.Error("the zero Network contains an address")
	}
}

// The columns of the addresses may stand anywhere and in either order.
func TestInternalLooksAtItsColumns(t *testing.T) {
	nets, _ := ParseNetworks("10.0.0.0/8")
	const in, out = "10.0.0.1", "11.0.0.1"
	for _, columns := range [][2]int{{0, 1}, {1, 0}, {0, 3}, {3, 0}, {3, 4}, {4, 3}, {2, 7}} {
		for _, of := range []struct {
			source, destination string
			want                bool
		}{{in, in, true}, {in, out, false}, {out, in, false}, {out, out, false}, {in, "-", false}, {"-", in, false}} {
			for end := range 3 { // words behind
				words := slices.Repeat([]string{"x"}, max(columns[0], columns[1])+1+end)
				words[columns[0]], words[columns[1]] = of.source, of.destination
				if got := internal([]byte(strings.Join(words, " ")), nets, &columns); got != of.want {
					t.Errorf("%q by columns %v: %t", words, columns, got)
				}
			}
		}
		short := strings.TrimSpace(strings.Repeat(in+" ", max(columns[0], columns[1])))
		if internal([]byte(short), nets, &columns) {
			t.Errorf("%q by columns %v is internal", short, columns)
		}
	}
}

func TestInternalNeedsBothEnds(t *testing.T) {
	nets, _ := ParseNetworks("10.0.0.0/8,2001:db8::/32")
	for line, want := range map[string]bool{
		flow("10.0.0.1", "10.0.0.2"):         true,
		flow("10.0.0.1", "2001:db8::1"):      true,
		flow("10.0.0.1", "11.0.0.2"):         false,
		flow("11.0.0.1", "10.0.0.2"):         false,
		flow("-", "-"):                       false,
		"a b c 10.0.0.1 10.0.0.2":            true,
		"a b c 10.0.0.1":                     false,
		"a b c 10.0.0.1 ":                    false,
		"a b 10.0.0.1 10.0.0.2":              false,
		"a b c d 10.0.0.1 10.0.0.2":          false,
		"a  b c 10.0.0.1 10.0.0.2":           false, // two blanks are an empty word, as in Sumo's function
		`a\tb\tc\t10.0.0.1\t10.0.0.2`:        false,
		`a b c 10.0.0.1 10.0.0.2\nd`:         false,
		"a b c 10.0.0.1, 10.0.0.2":           false,
		"":                                   false,
		"    ":                               false,
		strings.Repeat("10.0.0.1 ", 5):       true,
		strings.Repeat("10.0.0.1 ", 4) + "x": false,
	} {
		if got := internal([]byte(line), nets, nil); got != want {
			t.Errorf("internal(%q) = %v", line, got)
		}
		if internal([]byte(line), nil, nil) {
			t.Errorf("%q is internal to no network", line)
		}
	}
}
