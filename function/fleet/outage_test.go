package fleet

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var long = flag.Bool("long", false, "the outages of docs/reliability.md, in minutes of real time")

const head = "| source | outage | events a second | limit | events | executions, outage / health | peak / health | replays at once | requests per event | drain / outage | latency while draining / health | dead-lettered while draining | oldest message | quarantined | lost | twice | GB·s per event, outage / health |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"

func simulate(t *testing.T, sc scenario) (r result) {
	synctest.Test(t, func(t *testing.T) { r = newFleet(t, sc, readDefaults(t)).run() })
	return r
}

// Promises 9 and 10, with the template's defaults.
func TestOutagesStayCheapAndEnd(t *testing.T) {
	scenarios := []scenario{
		{condition: status, outage: time.Hour, rate: 1, account: 1000, scale: 0.02},
		{condition: hang, outage: time.Hour, rate: 1, account: 1000, scale: 0.02},
	}
	if *long {
		scenarios = nil
		for _, c := range []condition{status, hang, throttle, slow, halfDead} {
			scenarios = append(scenarios,
				scenario{condition: c, outage: time.Hour, rate: 10, account: 1000, scale: 0.2},
				scenario{condition: c, outage: 12 * time.Hour, rate: 0.5, account: 1000, scale: 0.01})
		}
		scenarios = append(scenarios, scenario{condition: status, outage: 30 * time.Minute, rate: 15, limit: 45, account: 1000, scale: 0.3})
		for _, c := range []condition{status, hang} {
			scenarios = append(scenarios, scenario{condition: c, outage: 96 * time.Hour, rate: 0.3, account: 1000, scale: 0.006})
		}
	}
	fmt.Println(head)
	for _, sc := range scenarios {
		t.Run(fmt.Sprint(sc.condition, " ", sc.outage), func(t *testing.T) {
			r := simulate(t, sc)
			fmt.Println(r)
			r.check(t)
		})
	}
}
