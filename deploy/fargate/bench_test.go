package fargate

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkCheck reads and checks definitions of a few containers: the goal is
// 1,000 in well under 2 s on two cores.
func BenchmarkCheck(b *testing.B) {
	var sources [][]byte
	var size int
	for seed := range uint64(1000) {
		g := generator{rand.New(rand.NewPCG(seed, 3))}
		src, _ := json.MarshalIndent(g.definition(), "", "  ")
		sources = append(sources, src)
		size += len(src)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, src := range sources {
			if _, err := Check(read(b, "td.json", string(src)), Options{Region: "us-east-1"}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkConvert converts one definition of 10 containers, without reading it.
func BenchmarkConvert(b *testing.B) {
	var containers []string
	for i := range 10 {
		link := ""
		if i < 9 {
			link = fmt.Sprintf(`"links": ["c%d:db"], `, i+1)
		}
		containers = append(containers, fmt.Sprintf(`{"name": "c%d", "image": "i", "cpu": 10, "memory": 64, %s"portMappings": [{"containerPort": %d, "hostPort": 0}],
			"environment": [{"name": "DB", "value": "mysql://u:p@db:3306/x"}, {"name": "A", "value": "b"}],
			"logConfiguration": {"logDriver": "json-file"}}`, i, link, 8000+i))
	}
	d := read(b, "td.json", `{"family": "a", "containerDefinitions": [`+strings.Join(containers, ", ")+`]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(d, Options{Region: "us-east-1"}); err != nil {
			b.Fatal(err)
		}
	}
}
