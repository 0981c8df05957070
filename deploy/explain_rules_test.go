package deploy

import "testing"

// The findings that explain shows are ones that there are.
func TestNetworkRulesExist(t *testing.T) {
	for _, id := range aboutNetwork {
		if _, ok := lookup(id); !ok {
			t.Errorf("there is no rule %s", id)
		}
	}
}
