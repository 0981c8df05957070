package transform

import (
	"strings"
	"testing"
)

func TestSizeHint(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 1 << 20} {
		doc := []byte(`{"logEvents":["` + strings.Repeat("a", n) + `"]}`)
		if got := SizeHint(Pack(doc)); got != int64(len(doc)) {
			t.Errorf("%d for a document of %d bytes", got, len(doc))
		}
	}
	for _, event := range []string{"", "{}", "garbage", `{"awslogs":{"data":""}}`, `{"awslogs":{"data":"????????"}}`} {
		if got := SizeHint([]byte(event)); got != 0 {
			t.Errorf("%q: %d", event, got)
		}
	}
	if got := SizeHint([]byte(`{"awslogs":{"data":"AAAA/////w=="}}`)); got > 12*maxRatio {
		t.Errorf("a payload of 12 characters cannot inflate to %d bytes", got)
	}
}
