package fargate

import (
	"math"
	"testing"
)

func TestPick(t *testing.T) {
	for _, c := range []struct {
		cpu, memory         int64
		windows             bool
		wantCPU, wantMemory int64
	}{
		{0, 0, false, 256, 512},
		{1, 513, false, 256, 1024},
		{256, 2049, false, 512, 3072},
		{257, 0, false, 512, 1024},
		{100, 8193, false, 2048, 9216},
		{4096, 30721, false, 8192, 32768},
		{8192, 16385, false, 8192, 20480},
		{8192, 61441, false, 16384, 65536},
		{16384, 122881, false, 32768, 249856},
		{16385, 1, false, 32768, 61440},
		{32768, 249857, false, 0, 0},
		{32769, 1, false, 0, 0},
		{0, 0, true, 1024, 2048},
		{4096, 30720, true, 4096, 30720},
		{4096, 30721, true, 0, 0},
		{math.MaxInt64, math.MaxInt64, false, 0, 0},
	} {
		cpu, memory, ok := pick(c.cpu, c.memory, c.windows)
		if cpu != c.wantCPU || memory != c.wantMemory || ok != (c.wantCPU > 0) {
			t.Errorf("pick(%d, %d, %v) = %d, %d, %v, want %d, %d", c.cpu, c.memory, c.windows, cpu, memory, ok, c.wantCPU, c.wantMemory)
		}
	}
}

// TestTiers counts the sizes, and looks that pick finds each for itself and none
// that is smaller in both for less.
func TestTiers(t *testing.T) {
	var sizes int
	for i, tier := range tiers {
		for j, m := range tier.memory {
			sizes++
			if cpu, memory, ok := pick(tier.cpu, m, false); cpu != tier.cpu || memory != m || !ok {
				t.Errorf("pick(%d, %d) = %d, %d", tier.cpu, m, cpu, memory)
			}
			if j > 0 && m <= tier.memory[j-1] {
				t.Errorf("%d: memory does not rise at %d", tier.cpu, m)
			}
		}
		if i > 0 && tier.cpu != 2*tiers[i-1].cpu {
			t.Errorf("after %d comes %d", tiers[i-1].cpu, tier.cpu)
		}
	}
	if sizes != 77 {
		t.Errorf("%d sizes, want 77", sizes)
	}
}

// TestPickIsCheapest compares with all sizes by price.
// Source: AWS Fargate pricing, Linux x86 in us-east-1: $0.04048 for a vCPU and
// $0.004445 for a GB, an hour.
func TestPickIsCheapest(t *testing.T) {
	price := func(cpu, memory int64) float64 { return 0.04048*float64(cpu)/1024 + 0.004445*float64(memory)/1024 }
	for _, cpu := range []int64{1, 256, 300, 512, 700, 1024, 2000, 2048, 4096, 5000, 8192, 16384, 20000} {
		for memory := int64(1); memory < 250000; memory += 509 {
			best := math.Inf(1)
			for _, tier := range tiers {
				for _, m := range tier.memory {
					if tier.cpu >= cpu && m >= memory {
						best = min(best, price(tier.cpu, m))
					}
				}
			}
			gotCPU, gotMemory, ok := pick(cpu, memory, false)
			if ok != !math.IsInf(best, 1) || ok && price(gotCPU, gotMemory) > best+1e-9 {
				t.Fatalf("pick(%d, %d) = %d, %d, which is not the cheapest", cpu, memory, gotCPU, gotMemory)
			}
		}
	}
}

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		text  string
		parse func(string) (int64, bool)
		want  int64
	}{
		{"256", parseCPU, 256}, {".25 vCPU", parseCPU, 256}, {"1vcpu", parseCPU, 1024}, {" 0.5 VCPU ", parseCPU, 512},
		{"512", parseMemory, 512}, {"0.5GB", parseMemory, 512}, {"1 GB", parseMemory, 1024}, {"30gb", parseMemory, 30720},
		{"0", parseCPU, 0}, {"-256", parseCPU, 0}, {"", parseCPU, 0}, {"vcpu", parseCPU, 0}, {"1 GB", parseCPU, 0}, {"NaN vCPU", parseCPU, 0},
		{"Inf GB", parseMemory, 0}, {"0.0001 GB", parseMemory, 0}, {"99999999999999999999", parseMemory, 0}, {"1e30 GB", parseMemory, 0}, {"512MB", parseMemory, 0},
	} {
		if got, ok := c.parse(c.text); ok != (c.want > 0) || ok && got != c.want {
			t.Errorf("%q = %d, %v, want %d", c.text, got, ok, c.want)
		}
	}
}
