package sim

import (
	"strings"
	"testing/synctest"
)

// turns lets those who wake at one instant go on one after the other, in the order of
// their names. Timers of one instant fire in a random order, and goroutines run at once;
// what they share would differ from run to run.
type turns struct{ asked chan turn }

type turn struct {
	name string
	mine chan struct{}
}

func newTurns() *turns { return &turns{make(chan turn)} }

// take waits for a turn, which lasts until the caller waits for anything else.
func (t *turns) take(name string) {
	mine := make(chan struct{})
	t.asked <- turn{name, mine}
	<-mine
}

// give gives turns until it is stopped.
func (t *turns) give() {
	for first := range t.asked {
		waiting := []turn{first}
		for len(waiting) > 0 {
			synctest.Wait() // nobody has anything to do at this instant but those who ask
			for more := true; more; {
				select {
				case another := <-t.asked:
					waiting = append(waiting, another)
				default:
					more = false
				}
			}
			next := 0
			for i, w := range waiting {
				if strings.Compare(w.name, waiting[next].name) < 0 {
					next = i
				}
			}
			close(waiting[next].mine)
			waiting[next] = waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
		}
	}
}

func (t *turns) stop() { close(t.asked) }
