package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
	"sumoship/function/awstest/logstest"
)

// process is the built command, running.
type process struct {
	*exec.Cmd
	in   io.WriteCloser
	errs bytes.Buffer
	out  io.Reader
}

// start starts the command. What it writes to standard output is read only if a
// test reads it.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("sumoship", args...)}
	var err error
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.out, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	p.Stderr = &p.errs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

// ending is how a process ended after a signal.
type ending struct {
	status int
	took   time.Duration // since the signal
	errs   string
}

// ends sends a signal to the process and waits for its end.
func (p *process) ends(t *testing.T, signal syscall.Signal) ending {
	t.Helper()
	start := time.Now()
	if err := p.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(10*time.Second, func() { p.Process.Kill() }).Stop()
	status := 0
	if err := p.Wait(); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			t.Fatal(err)
		}
		status = e.ExitCode()
	}
	return ending{status, time.Since(start), p.errs.String()}
}

const (
	promised = time.Second            // within which a signal ends a verb
	atOnce   = 400 * time.Millisecond // within which a second one does, which is before the first is enforced
	excused  = 5 * time.Second        // on a machine that is busy with other tests
	tries    = 3

	// forced is what the command says of a verb that it had to end, since it was not
	// done in time by the clock of the process.
	forced = "may be done or not"
)

// prompt holds a verb to its promise, which a busy machine may break at times, and so of
// a few tries one has to keep it. What try checks itself holds for each of them.
func prompt(t *testing.T, within time.Duration, try func(t *testing.T) ending) {
	t.Helper()
	var all []ending
	for range tries {
		e := try(t)
		if all = append(all, e); e.took <= within && !strings.Contains(e.errs, forced) {
			return
		}
		if e.took > excused || t.Failed() {
			break
		}
	}
	t.Errorf("never ended by itself within %v: %+v", within, all)
}

// interrupted holds a process to what a signal makes of it: the status of a shell, its
// own words, and nothing that blames another.
func interrupted(t *testing.T, signal syscall.Signal, e ending) {
	t.Helper()
	_, last, _ := strings.Cut(e.errs, "sumoship: ")
	if e.status != 128+int(signal) || !strings.HasPrefix(last, "interrupted") {
		t.Errorf("%v: status %d after %v\n%s", signal, e.status, e.took, e.errs)
	}
	for _, blamed := range []string{"context canceled", "deadline", "no answer", "in time", "operation error"} {
		if strings.Contains(e.errs, blamed) {
			t.Errorf("%q in\n%s", blamed, e.errs)
		}
	}
}

const someRules = "version: 1\nrules:\n  - rule: a\n    category: b\n"

var signals = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}

// Calls of the command that wait: for standard input, for AWS or Sumo Logic, for an
// answer on a terminal. Every verb is in one of them, or in never.
var (
	reads = []string{
		"local -", "backfill - --log-group g --yes --endpoint https://example.com/x", "fargate check -", "fargate convert -", "fargate diff -", "fargate explain -", "fargate iam -", "fargate logs -",
		"fargate register -", "fargate service - --service shop", "fargate service shop.json --service shop --from-service -",
		"rules validate -", "rules test -",
	}
	calls = []string{
		"local --yes --endpoint URL/receiver",
		"local --yes --replay --endpoint URL/receiver",
		"dlq status --queue dead", "dlq stats --queue dead", "dlq peek --queue dead", "dlq replay --queue dead --endpoint https://example.com/x", "dlq redrive --queue dead",
		"dlq export DIR/new --queue dead", "dlq import DIR --queue dead", "dlq purge --queue dead --undecodable --save DIR/new",
		"backfill --log-group g --since 1h --yes --endpoint https://example.com/x", "rules try DIR/rules.yaml --log-group g --yes",
		"subscribe --yes --destination FORWARDER", "unsubscribe --yes --destination FORWARDER", "subscribe --yes --account --destination FORWARDER",
		"deploy --yes --from DIR", "rollback --yes", "destroy --yes",
		"doctor", "doctor --canary", "status", "status --watch", "tail",
		"fargate check --from-ecs shop:1", "fargate eni --cluster shop", "fargate eni --instance-type zz9.large", "fargate plan --all",
		"fargate logs shop.json --yes", "fargate service shop.json --from-service arn:aws:ecs:eu-west-1:123456789012:service/c/shop",
		"fargate cutover plan a b", "fargate cutover run a b --yes", "fargate cutover status a b", "fargate cutover back a b --yes",
		"fargate cutover targets nightly --yes --to arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:1 --subnets subnet-1 --security-group sg-1",
	}
	questions = []string{
		"local --endpoint https://example.com/receiver", "backfill internal/localcmd/samples/ecs-web.json --endpoint https://example.com/receiver",
		"rules try DIR/rules.yaml --log-group /ecs/shop",
		"subscribe --destination FORWARDER", "subscribe --account --destination FORWARDER", "fargate logs ../../testdata/taskdefs/shop.json --retention 30 --region us-east-1",
	}
	computes = []string{"sim --days 9 --fail 503@1d..8d"}
	never    = []string{"rules schema", "schema", "version", "completion", "man", "help", "fargate rules"} // they wait for nothing
)

// Every verb has a row.
func TestSignalsOfEveryVerb(t *testing.T) {
	for _, verb := range cli.Verbs(new(verbs)) {
		path := verb.Path()
		row := func(args string) bool { return args == path || strings.HasPrefix(args, path+" ") }
		if waits := slices.ContainsFunc(slices.Concat(reads, calls, questions, computes), row); waits == slices.Contains(never, path) {
			t.Errorf("%s: has a row %v, waits for nothing %v", path, waits, !waits)
		}
	}
}

// unfinished is the beginning of an input, longer than a pipe holds. Most formats may
// begin with space; backfill wants to see which format it is.
func unfinished(args string) string {
	const size = 200 << 10
	if line := "2026-01-02T03:04:05.000Z a line of a log\n"; strings.HasPrefix(args, "backfill") {
		return strings.Repeat(line, size/len(line))
	}
	return strings.Repeat(" ", size)
}

// A verb that waits for its standard input ends.
func TestSignalsEndReading(t *testing.T) {
	for _, args := range reads {
		for _, signal := range signals {
			t.Run(fmt.Sprint(args, " ", signal), func(t *testing.T) {
				prompt(t, promised, func(t *testing.T) ending {
					p := start(t, strings.Fields(strings.ReplaceAll(args, "shop.json", "../../testdata/taskdefs/shop.json"))...)
					// More than a pipe holds, so that some of it has been read.
					if _, err := io.WriteString(p.in, unfinished(args)); err != nil {
						t.Fatal(err)
					}
					e := p.ends(t, signal)
					interrupted(t, signal, e)
					return e
				})
			})
		}
	}
}

// A verb that computes ends.
func TestSignalsEndComputing(t *testing.T) {
	for _, args := range computes {
		for _, signal := range signals {
			t.Run(fmt.Sprint(args, " ", signal), func(t *testing.T) {
				t.Parallel()
				prompt(t, promised, func(t *testing.T) ending {
					p := start(t, strings.Fields(args)...)
					time.Sleep(time.Second) // it says nothing so soon
					e := p.ends(t, signal)
					interrupted(t, signal, e)
					return e
				})
			})
		}
	}
}

// hangs is a server that never answers. asked is closed at its first request.
func hangs(t *testing.T) (url string, asked chan struct{}) {
	t.Helper()
	asked = make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // without this the end of the connection is not seen
		once.Do(func() { close(asked) })
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// A verb that waits for AWS or Sumo Logic ends.
func TestSignalsEndCalls(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"rules.yaml":                someRules,
		"sumoship/v1/template.json": `{"Parameters":{"CodePrefix":{"Default":"sumoship/v1/"}},"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}`,
		"event.json":                `{"awslogs":{"data":""}}`,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range calls {
		for _, signal := range signals {
			t.Run(fmt.Sprint(args, " ", signal), func(t *testing.T) {
				prompt(t, promised, func(t *testing.T) ending {
					url, asked := hangs(t)
					clitest.SetAWS(t, url)
					p := start(t, strings.Fields(strings.NewReplacer("shop.json", "../../testdata/taskdefs/shop.json", "URL", url, "DIR", dir,
						"FORWARDER", "arn:aws:lambda:eu-west-1:123456789012:function:forwarder").Replace(args))...)
					go io.Copy(io.Discard, p.out)
					select {
					case <-asked:
					case <-time.After(10 * time.Second):
						t.Fatalf("no call\n%s", p.errs.String())
					}
					e := p.ends(t, signal)
					interrupted(t, signal, e)
					return e
				})
			})
		}
	}
}

// A question on a terminal ends with the signal, and nothing was changed.
func TestSignalsEndQuestions(t *testing.T) {
	server, forwarder := clitest.Region(t)
	server.Add(logstest.Group{Name: "/ecs/shop"})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(someRules), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range questions {
		for _, signal := range signals {
			t.Run(fmt.Sprint(args, " ", signal), func(t *testing.T) {
				prompt(t, promised, func(t *testing.T) ending {
					e := endsAtAQuestion(t, signal, strings.Fields(strings.NewReplacer("DIR", dir, "FORWARDER", forwarder).Replace(args))...)
					interrupted(t, signal, e)
					if !strings.Contains(e.errs, "interrupted; nothing was changed") || len(clitest.FiltersOf(server)) > 0 {
						t.Errorf("%v\n%s", clitest.FiltersOf(server), e.errs)
					}
					return e
				})
			})
		}
	}
}

// endsAtAQuestion runs the command on a terminal, until it asks there and gets a signal,
// and returns what it shows after the question.
func endsAtAQuestion(t *testing.T, signal syscall.Signal, args ...string) ending {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	// A terminal throws away what it has not shown yet when it sends a signal: on a busy
	// machine that may be what the command said because of it.
	keep := exec.Command("stty", "noflsh")
	keep.Stdin = terminal
	if err := keep.Run(); err != nil {
		t.Fatalf("stty: %v", err)
	}
	p := &process{Cmd: exec.Command("sumoship", args...)}
	p.Stdin, p.Stdout, p.Stderr = terminal, terminal, terminal
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Process.Kill()
	terminal.Close()
	const question = "[y/N]"
	asked, shown := make(chan bool, 1), make(chan string)
	go func() {
		var all []byte
		for b := make([]byte, 1<<10); ; {
			n, err := master.Read(b)
			before := bytes.Contains(all, []byte(question))
			all = append(all, b[:n]...)
			if now := bytes.Contains(all, []byte(question)); !before && (now || err != nil) {
				asked <- now
			}
			if err != nil { // the command has ended
				shown <- string(all)
				return
			}
		}
	}()
	if !<-asked {
		t.Fatalf("no question\n%s", <-shown)
	}
	if signal == syscall.SIGINT { // by the terminal, as people send it
		master.Write([]byte{3})
		signal = 0
	}
	e := p.ends(t, signal)
	_, e.errs, _ = strings.Cut(<-shown, question)
	return e
}

// A command that cannot stop, here because nobody reads its output, is ended by force
// within the second, and at once by a second signal.
func TestSignalsEndWhatCannotStop(t *testing.T) {
	for _, c := range []struct {
		signals int
		within  time.Duration
		forced  bool
	}{
		{1, promised, true},
		{2, atOnce, false},
	} {
		prompt(t, c.within, func(t *testing.T) ending {
			p := start(t, "local", "-", "--records=-1")
			event := `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"` +
				strings.Repeat("x", 200<<10) + `"}]}`
			if _, err := io.WriteString(p.in, event); err != nil {
				t.Fatal(err)
			}
			p.in.Close()
			if _, err := io.ReadFull(p.out, make([]byte, 1000)); err != nil { // it writes
				t.Fatal(err)
			}
			if c.signals == 2 {
				if err := p.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				time.Sleep(50 * time.Millisecond) // signals that wait together are one
			}
			e := p.ends(t, syscall.SIGTERM)
			if e.status != 143 {
				t.Errorf("%d signals: status %d after %v\n%s", c.signals, e.status, e.took, e.errs)
			}
			if c.forced && strings.Contains(e.errs, forced) {
				e.errs = "" // as it should be
			} else if c.forced {
				t.Errorf("ended by itself after %v\n%s", e.took, e.errs)
			}
			return e
		})
	}
}

// A signal that the caller ignores is ignored, as a shell asks of what it runs in the
// background.
func TestSignalsMayBeIgnored(t *testing.T) {
	p := &process{Cmd: exec.Command("sh", "-c", `trap "" INT; exec sumoship local -`)}
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(bytes.Repeat([]byte(" "), 200<<10)); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[]}`)
	in.Close()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}
