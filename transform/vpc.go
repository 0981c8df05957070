package transform

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Network is one entry of VPC_CIDR_PREFIX: addresses that count as internal.
type Network struct {
	block netip.Prefix
	text  string // the beginning of an IPv6 address, if the entry has no mask
}

// ParseNetworks reads a comma-separated list of networks; blanks and empty entries
// are ignored. An entry is
//
//   - a CIDR block, 10.0.0.0/8 or 2001:db8::/32;
//   - the first octets of an address, 10.1 or 10.1. (which is 10.1.0.0/16 and,
//     unlike in Sumo's function, not also 10.10.0.0/16);
//   - an IPv4 address, in which trailing zero octets match anything: 10.8.0.0 is
//     10.8.0.0/16;
//   - the beginning of an IPv6 address, 2001:db8:.
//
// The error joins one for each entry that is none of these.
func ParseNetworks(list string) ([]Network, error) {
	var out []Network
	var errs []error
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		n, err := parseNetwork(entry)
		if err != nil {
			errs = append(errs, err)
		}
		out = append(out, n)
	}
	return out, errors.Join(errs...)
}

func parseNetwork(entry string) (Network, error) {
	if strings.Contains(entry, "/") {
		block, err := netip.ParsePrefix(entry)
		if err != nil {
			return Network{}, fmt.Errorf("%q is not a CIDR block; want one such as 10.0.0.0/8", entry)
		}
		return Network{block: block.Masked()}, nil
	}
	if strings.Contains(entry, ":") {
		if strings.Trim(strings.ToLower(entry), "0123456789abcdef:") != "" {
			return Network{}, fmt.Errorf("%q is not the beginning of an IPv6 address; want one such as 2001:db8:1", entry)
		}
		return Network{text: strings.ToLower(entry)}, nil
	}
	octets := strings.Split(strings.TrimSuffix(entry, "."), ".")
	var ip [4]byte
	for i, o := range octets {
		v, err := strconv.ParseUint(o, 10, 8)
		if i >= len(ip) || err != nil {
			return Network{}, fmt.Errorf("%q is not a network; want a CIDR block such as 10.0.0.0/8 or the first octets of an address, such as 10.1", entry)
		}
		ip[i] = byte(v)
	}
	n := len(octets)
	if n == len(ip) {
		for n > 1 && ip[n-1] == 0 {
			n--
		}
	}
	return Network{block: netip.PrefixFrom(netip.AddrFrom4(ip), 8*n)}, nil
}

func (n Network) contains(a netip.Addr) bool {
	if n.text == "" {
		return n.block.Contains(a)
	}
	rest, ok := strings.CutPrefix(a.String(), n.text)
	return ok && (rest == "" || rest[0] == ':' || strings.HasSuffix(n.text, ":"))
}

// internal reports whether a VPC flow log line, in canonical text, records traffic
// within nets: both its source and its destination are in one of them. They are the
// words at columns, counted from 0, or if those are nil the fourth and fifth word of
// the default format. A line of another form is not internal.
//
// Source: Amazon VPC User Guide, "Flow log records".
func internal(line []byte, nets []Network, columns *[2]int) bool {
	if len(nets) == 0 {
		return false
	}
	if columns == nil {
		columns = &[2]int{3, 4}
	}
	last := max(columns[0], columns[1])
	for i := range last + 1 {
		word, rest, more := bytes.Cut(line, []byte(" "))
		if (i == columns[0] || i == columns[1]) && !inside(word, nets) || !more && i < last {
			return false
		}
		line = rest
	}
	return true
}

func inside(word []byte, nets []Network) bool {
	a, err := netip.ParseAddr(string(word))
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, n := range nets {
		if n.contains(a) {
			return true
		}
	}
	return false
}
