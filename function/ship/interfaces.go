package ship

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"sumoship/function"
	"sumoship/transform"
)

// Describer describes network interfaces of the function's account and Region.
type Describer interface {
	// Interfaces returns the interfaces for which a filter has one of at most
	// maxFilter values.
	Interfaces(ctx context.Context, filter string, values []string) (map[string]*transform.Interface, error)
}

// Bounds of the look-ups. What an event asks for beyond them is not known to it.
const (
	maxFilter     = 200 // values of a filter; Source: Amazon EC2 API Reference, DescribeNetworkInterfaces
	maxLookups    = 10  // calls for one event
	maxInterfaces = 20_000
	interfacesTTL = 15 * time.Minute
	lookupLimit   = 3 * time.Second // for one event
	lookupPause   = time.Minute     // after a call has failed
)

// interfaceCache knows network interfaces. That there is none is known too.
type interfaceCache struct {
	describe Describer
	warn     func(err error)

	mu        sync.Mutex
	known     map[string]knownInterface // by ID
	addresses map[string]knownInterface // by address
	paused    time.Time
}

type knownInterface struct {
	*transform.Interface // nil if there is none
	until                time.Time
}

// view is what the cache knows for one event.
type view struct {
	byID, byAddress map[string]*transform.Interface
}

func (v view) Interface(id string) *transform.Interface { return v.byID[id] }

func (v view) SubnetOf(address string) string {
	if i := v.byAddress[address]; i != nil {
		return i.Subnet
	}
	return ""
}

// of returns what is known of the interfaces and addresses in the flow records of a
// batch, after asking for what is not. It never fails: what cannot be asked for is not
// known.
func (c *interfaceCache) of(ctx context.Context, flows []transform.FlowRecord) transform.Interfaces {
	ids, addresses := map[string]bool{}, map[string]bool{}
	for _, f := range flows {
		ids[f.Interface] = true
		for _, a := range [...]string{f.Source, f.Destination} {
			if ip, err := netip.ParseAddr(a); err == nil && ip.Is4() && ip.IsPrivate() {
				addresses[a] = true
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	c.mu.Lock() // one look-up at a time: the next event finds what this one has asked for
	defer c.mu.Unlock()
	now := time.Now().Round(0)
	if len(c.known) > maxInterfaces || len(c.addresses) > maxInterfaces || c.known == nil {
		c.known, c.addresses = map[string]knownInterface{}, map[string]knownInterface{}
	}
	calls := 0
	ask := func(filter string, wanted map[string]bool, known map[string]knownInterface) {
		var unknown []string
		for _, v := range slices.Sorted(maps.Keys(wanted)) {
			if k, ok := known[v]; !ok || now.After(k.until) {
				unknown = append(unknown, v)
			}
		}
		for values := range slices.Chunk(unknown, maxFilter) {
			if calls++; calls > maxLookups || now.Before(c.paused) || ctx.Err() != nil {
				return
			}
			found, err := c.describe.Interfaces(ctx, filter, values)
			if err != nil {
				c.paused = now.Add(lookupPause)
				c.warn(err)
				return
			}
			for _, v := range values {
				known[v] = knownInterface{nil, now.Add(interfacesTTL)}
			}
			for id, i := range found {
				k := knownInterface{i, now.Add(interfacesTTL)}
				c.known[id] = k
				for _, a := range i.Addresses {
					c.addresses[a] = k
				}
			}
		}
	}
	ask("network-interface-id", ids, c.known)
	ask("addresses.private-ip-address", addresses, c.addresses)
	v := view{map[string]*transform.Interface{}, map[string]*transform.Interface{}}
	for id := range ids {
		v.byID[id] = c.known[id].Interface
	}
	for a := range addresses {
		v.byAddress[a] = c.addresses[a].Interface
	}
	return v
}

// withInterfaces returns options that add to flow records what is known of their
// interfaces, if the variables ask for it and a rule or they say VPC-JSON.
func (s *shipper) withInterfaces(ctx context.Context, b *transform.Batch, o transform.Options) transform.Options {
	if s.interfaces == nil {
		return o
	}
	read := o
	format := o.Format
	columns := (*[2]int)(nil)
	read.Format = transform.Raw
	read.Rule = nil
	if o.Rule != nil {
		if r := o.Rule(transform.Origin{Account: b.Owner, Region: o.Region, LogGroup: b.LogGroup, LogStream: b.LogStream}); r != nil {
			format, columns = r.Format, r.Columns
		}
	}
	if format != transform.VPCJSON {
		return o
	}
	var flows []transform.FlowRecord
	for r := range read.Records(b) {
		if r.Dropped == transform.Kept {
			if f := transform.ReadFlowRecord(r.Line, columns); f.Interface != "" {
				flows = append(flows, f)
			}
		}
	}
	if len(flows) > 0 {
		o.Interfaces = s.interfaces.of(ctx, flows)
	}
	return o
}

// Interfaces asks Amazon EC2.
//
// Source: Amazon EC2 API Reference, DescribeNetworkInterfaces.
func (s signed) Interfaces(ctx context.Context, filter string, values []string) (map[string]*transform.Interface, error) {
	cfg, err := s.load(ctx, "")
	if err != nil {
		return nil, err
	}
	base, _ := serviceURL(ctx, cfg, "EC2", "ec2")
	form := url.Values{"Action": {"DescribeNetworkInterfaces"}, "Version": {"2016-11-15"}, "MaxResults": {"1000"}, "Filter.1.Name": {filter}}
	for i, v := range values {
		form.Set(fmt.Sprintf("Filter.1.Value.%d", i+1), v)
	}
	out := map[string]*transform.Interface{}
	const maxPages = 10
	for range maxPages {
		body := []byte(form.Encode())
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/", strings.NewReader(string(body)))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		response, data, err := s.do(ctx, cfg, "ec2", r, body, 16<<20)
		if err != nil {
			return nil, storeError(err)
		}
		if response.StatusCode != http.StatusOK {
			return nil, answered(response, data)
		}
		var page struct {
			Next  string `xml:"nextToken"`
			Items []struct {
				ID        string   `xml:"networkInterfaceId"`
				Subnet    string   `xml:"subnetId"`
				VPC       string   `xml:"vpcId"`
				Groups    []string `xml:"groupSet>item>groupId"`
				Addresses []string `xml:"privateIpAddressesSet>item>privateIpAddress"`
				Primary   string   `xml:"privateIpAddress"`
				IPv6      []string `xml:"ipv6AddressesSet>item>ipv6Address"`
			} `xml:"networkInterfaceSet>item"`
		}
		if err := xml.Unmarshal(data, &page); err != nil {
			return nil, errors.New("the response cannot be read")
		}
		for _, i := range page.Items {
			addresses := append(i.Addresses, i.IPv6...)
			if i.Primary != "" && !slices.Contains(addresses, i.Primary) {
				addresses = append(addresses, i.Primary)
			}
			out[i.ID] = &transform.Interface{Subnet: i.Subnet, VPC: i.VPC, SecurityGroups: i.Groups, Addresses: addresses}
		}
		if page.Next == "" {
			break
		}
		form.Set("NextToken", page.Next)
	}
	return out, nil
}

// newInterfaceCache returns a cache that asks Amazon EC2, or describe if that is not
// nil.
func newInterfaceCache(load function.ConfigLoader, describe Describer, warn func(error)) *interfaceCache {
	if describe == nil {
		describe = newSigned(load, lookupLimit)
	}
	return &interfaceCache{describe: describe, warn: warn}
}
