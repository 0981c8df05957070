package ship_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sumoship/function/ship"
	"sumoship/transform"
)

// describer knows one interface.
type describer struct {
	err   error
	hang  bool
	calls []string
}

func (d *describer) Interfaces(ctx context.Context, filter string, values []string) (map[string]*transform.Interface, error) {
	d.calls = append(d.calls, fmt.Sprint(filter, " ", len(values)))
	if d.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return map[string]*transform.Interface{"eni-1": {Subnet: "subnet-1", SecurityGroups: []string{"sg-1"}, Addresses: []string{"10.0.0.1"}}}, d.err
}

func TestInterfacesAreAskedForOnceAndNeverFailABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &describer{}
		w := newFixture()
		maps.Copy(w.vars, map[string]string{"LOG_FORMAT": "VPC-JSON", "INCLUDE_SECURITY_GROUP_INFO": "true"})
		o := w.options()
		o.Interfaces = d
		f, err := ship.NewForwarder(o)
		if err != nil {
			t.Fatal(err)
		}
		last := func() string {
			all := w.source.Requests()
			return string(all[len(all)-1].Body)
		}
		flow := func(n int) string { return fmt.Sprintf("2 1 eni-%d 10.0.0.%d 8.8.8.8 1 2 6", n, n) }
		if r := ships(t, f, flow(1), "no flow record"); r.Confirmed != 2 || !strings.Contains(last(), `"security-group-ids":["sg-1"],"direction":"outbound","subnet-id":"subnet-1"`) {
			t.Errorf("%+v: %s", r, last())
		}
		ships(t, f, flow(1))
		if len(d.calls) != 1 {
			t.Errorf("calls %q: the second event asks for nothing, and an interface tells its addresses", d.calls)
		}
		// One that does not exist is asked for once, too.
		ships(t, f, flow(2))
		ships(t, f, flow(2))
		if len(d.calls) != 3 {
			t.Errorf("calls %q", d.calls)
		}
		// Refused or slow: the records go with what is known, and nothing is asked for a
		// while.
		for i, fault := range []describer{{err: errors.New("UnauthorizedOperation")}, {hang: true}} {
			time.Sleep(20 * time.Minute)
			d.err, d.hang, d.calls = fault.err, fault.hang, nil
			start := time.Now()
			for range 3 {
				if r := ships(t, f, flow(5+i), flow(1)); r.Confirmed != 2 || strings.Count(last(), "security-group") != 1 {
					t.Errorf("%+v: %s", r, last())
				}
			}
			if len(d.calls) != 1 || time.Since(start) > 4*time.Second || !strings.Contains(w.log.String(), "network interfaces are not known") {
				t.Errorf("calls %q in %v", d.calls, time.Since(start))
			}
		}
		// Many are asked for in few calls.
		time.Sleep(20 * time.Minute)
		d.err, d.hang, d.calls = nil, false, nil
		var many []string
		for i := range 3000 {
			many = append(many, flow(10+i))
		}
		if ships(t, f, many...); len(d.calls) != 10 || d.calls[0] != "network-interface-id 200" {
			t.Errorf("calls %q", d.calls)
		}
		// Other formats need none.
		w.vars["LOG_FORMAT"] = "VPC-RAW"
		d.calls = nil
		o.Env = w.options().Env
		if f, err = ship.NewForwarder(o); err != nil {
			t.Fatal(err)
		}
		if ships(t, f, flow(9)); d.calls != nil {
			t.Errorf("calls %q", d.calls)
		}
	})
}

// The call as Amazon EC2 gets it, page by page.
func TestDescribeNetworkInterfaces(t *testing.T) {
	var forms []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/ec2/aws4_request") {
			t.Errorf("%v, %q", err, r.Header)
		}
		forms = append(forms, r.PostForm)
		item := `<item><networkInterfaceId>eni-1</networkInterfaceId><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><privateIpAddress>10.0.0.1</privateIpAddress>
			<groupSet><item><groupId>sg-1</groupId></item><item><groupId>sg-2</groupId></item></groupSet><privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress></item></privateIpAddressesSet></item>`
		next := ""
		if r.PostForm.Get("NextToken") == "" && r.PostForm.Get("Filter.1.Name") == "network-interface-id" {
			item, next = "", "<nextToken>more</nextToken>"
		}
		fmt.Fprint(w, `<DescribeNetworkInterfacesResponse><networkInterfaceSet>`+item+`</networkInterfaceSet>`+next+`</DescribeNetworkInterfacesResponse>`)
	}))
	defer server.Close()
	w := newFixture()
	maps.Copy(w.vars, map[string]string{"LOG_FORMAT": "VPC-JSON", "INCLUDE_SECURITY_GROUP_INFO": "true",
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"})
	ships(t, w.forwarder(t), "2 1 eni-1 8.8.8.8 10.0.0.1 1 2 6")
	want := `"security-group-ids":["sg-1","sg-2"],"direction":"inbound","subnet-id":"subnet-1","vpc-id":"vpc-1","aws-region":"eu-west-1"}`
	if got := string(w.source.Requests()[0].Body); !strings.HasSuffix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	if len(forms) != 2 || forms[0].Get("Filter.1.Value.1") != "eni-1" || forms[1].Get("NextToken") != "more" || forms[0].Get("Action") != "DescribeNetworkInterfaces" {
		t.Errorf("%v", forms)
	}
}
