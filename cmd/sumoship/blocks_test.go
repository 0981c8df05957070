package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sumoship/dlq"
	"sumoship/dlq/sqstest"
	"sumoship/function/awstest/logstest"
	"sumoship/sumo/sumotest"
	"sumoship/transform"
)

// commandBlock is a block of a page that has commands. Above it stands what becomes of
// them here, unseen by readers:
//
//	<!-- run -->
//	<!-- run, but not "sumoship fargate plan", "curl": WHY -->
//	<!-- not run: WHY -->
//
// In quotes is how the commands begin that are not run.
type commandBlock struct {
	place    string // page:line
	mark     string
	commands []string // without comments; each may have several lines
}

var (
	commentLine = regexp.MustCompile(`^ *<!-- (.*) -->$`)
	commandLine = regexp.MustCompile(`^(?:\$ )?(?:\./)?(?:sumoship|aws|sam|make|go|git|curl|cfn-lint|export|cdk|npx|terraform|docker|sha256sum) `)
	quoted      = regexp.MustCompile(`"([^"]+)"`)
	butNot      = regexp.MustCompile(`^run, but not ("[^"]+"(?:, "[^"]+")*): (.+)$`)
)

// blocksOf returns the blocks of a page with commands, but for those that a test writes.
func blocksOf(page, text string) (blocks []commandBlock) {
	mark, written, fence := "", false, ""
	var b *commandBlock
	end := func() {
		if b != nil && len(b.commands) > 0 {
			blocks = append(blocks, *b)
		}
		b = nil
	}
	previous, open := "", false // open: the command goes on
	for i, line := range strings.Split(text, "\n") {
		if m := commentLine.FindStringSubmatch(line); m != nil && fence == "" {
			end()
			if strings.HasSuffix(m[1], "-update writes this") || strings.HasPrefix(m[1], "end of ") {
				written = !strings.HasPrefix(m[1], "end of ")
			} else {
				mark = m[1]
			}
			previous = ""
			continue
		}
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(line, "```"):
			end()
			if fence == "" {
				fence = line
				b = &commandBlock{place: fmt.Sprintf("%s:%d", page, i+1), mark: mark}
			} else {
				fence = ""
			}
			mark, open = "", false
		case fence != "":
		case b == nil && previous == "" && strings.HasPrefix(line, "    "):
			b, mark, open = &commandBlock{place: fmt.Sprintf("%s:%d", page, i+1), mark: mark}, "", false
		case line != "" && !strings.HasPrefix(line, "    "):
			end()
			mark = ""
		}
		previous = line
		if b == nil || written {
			continue
		}
		command, _, _ := strings.Cut(trimmed, "  #")
		command = strings.TrimRight(strings.TrimPrefix(command, "$ "), " ")
		switch {
		case open:
			b.commands[len(b.commands)-1] += "\n" + command
		case commandLine.MatchString(command):
			b.commands = append(b.commands, command)
		default:
			continue
		}
		open = strings.HasSuffix(command, `\`) || strings.HasSuffix(command, "|")
	}
	end()
	return blocks
}

func TestBlocksAreFound(t *testing.T) {
	got := blocksOf("p", "text\n\n<!-- run -->\n\n    sumoship a |   # why\n      sumoship b\n    output\n    ./sumoship c \\\n      --d\n\ntext\n\n    {\"no\": 1}\n\n"+
		"<!-- x: go test . -run Documented -update writes this -->\n\n    $ sumoship written\n\n<!-- end of x -->\n\n<!-- not run: why -->\n\n- item\n\n       sumoship e\n\n```sh\ngo test x\n```\n")
	want := []commandBlock{
		{"p:5", "run", []string{"sumoship a |\nsumoship b", "./sumoship c \\\n--d"}}, {"p:25", "", []string{"sumoship e"}}, {"p:27", "", []string{"go test x"}},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// words are what a page leaves to its reader, and what it is here.
var words = strings.NewReplacer(
	"OLD-ARN", logstest.FunctionARN("old"), "NEW-ARN", logstest.FunctionARN("forwarder"), "FUNCTION-ARN", logstest.FunctionARN("forwarder"),
	"--destination ARN", "--destination "+logstest.FunctionARN("forwarder"), "--like FORWARDER", "--like forwarder",
	"--queue NAME", "--queue dead", "--filter-name STACK", "--filter-name logs", "--include PATTERN", "--include '^/ecs/'", " DIR", " messages",
)

// Each block of commands of the README and the pages is run, or says why not. The
// commands of docs/operations.md are run by the test of package docs, on moto.
func TestDocumentedBlocksRun(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on PATH")
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, page := range append(pages, "../../README.md") {
		if name := filepath.Base(page); name != "operations.md" {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(text)
		}
	}
	w := newReader(t)
	t.Chdir(w.dir)
	run, all := 0, 0
	for _, page := range slices.Sorted(maps.Keys(texts)) {
		for _, b := range blocksOf(page, texts[page]) {
			all += len(b.commands)
			for _, c := range b.chosen(t) {
				run++
				w.refill(t)
				// 1 is what a command has found, and the page is right.
				if status, out := w.run(t, shell, words.Replace(c)); status > 1 {
					t.Errorf("%s: %s: status %d\n%s", b.place, c, status, out)
				}
			}
		}
	}
	t.Logf("%d of %d commands are run", run, all)
	if run < 35 || all < 70 {
		t.Errorf("only %d of %d commands are run", run, all)
	}
}

// A mark that names a test instead names one that there is.
func TestMarksNameTests(t *testing.T) {
	tests := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocksOf(filepath.Base(page), string(text)) {
			for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(b.mark, -1) {
				if !tests[name] {
					t.Errorf("%s names %s, which there is not", b.place, name)
				}
			}
		}
	}
}

// chosen returns the commands of a block that are run.
func (b commandBlock) chosen(t *testing.T) (commands []string) {
	t.Helper()
	m := butNot.FindStringSubmatch(b.mark)
	switch {
	case b.mark == "run":
		return b.commands
	case strings.HasPrefix(b.mark, "not run: "):
		return nil
	case m == nil:
		t.Errorf("%s: say above the block what becomes of its commands in tests: <!-- run --> or <!-- not run: WHY -->; it says %q", b.place, b.mark)
		return nil
	}
	var not []string
	for _, q := range quoted.FindAllStringSubmatch(m[1], -1) {
		begins := func(c string) bool { return strings.HasPrefix(c, q[1]) }
		if !slices.ContainsFunc(b.commands, begins) {
			t.Errorf("%s: no command begins with %q", b.place, q[1])
		}
		not = append(not, q[1])
	}
	for _, c := range b.commands {
		if !slices.ContainsFunc(not, func(q string) bool { return strings.HasPrefix(c, q) }) {
			commands = append(commands, c)
		}
	}
	return commands
}

var (
	verbWords = regexp.MustCompile(`sumoship((?: +[a-z][a-z-]*)+)(\s|$)`)
	quotes    = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	shellWord = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
)

// run runs a command with the consent that a reader gives on the terminal: here, and by a
// shell if it needs one.
func (r *reader) run(t *testing.T, shell, c string) (status int, out string) {
	t.Helper()
	c = verbWords.ReplaceAllStringFunc(c, func(call string) string {
		_, help, _ := command(t, nil, append(strings.Fields(call)[1:], "--help")...)
		if strings.Contains(help, "--yes") && !strings.Contains(c, "--dry-run") {
			return strings.TrimRight(call, " ") + " --yes "
		}
		return call
	})
	if strings.ContainsAny(quotes.ReplaceAllString(c, ""), "|<>&;$`\\") {
		cmd := exec.Command(shell, "-c", "set -euo pipefail\n"+c)
		b, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(b)
	}
	var args []string
	for _, word := range shellWord.FindAllString(strings.Split(c, " # ")[0], -1) {
		args = append(args, strings.NewReplacer("'", "", `"`, "").Replace(word))
	}
	status, stdout, stderr := command(t, r.variables, args[1:]...)
	return status, stdout + stderr
}

// reader is what the pages assume of whoever reads them: a directory with the files that
// they name, an account with log groups, a forwarder and a dead-letter queue, and a source.
type reader struct {
	dir       string
	variables map[string]string
	queue     *dlq.Queue
	messages  func() int
}

// event is in the dead-letter queue before each command.
const event = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/ecs/payments","logStream":"web/app/1","logEvents":[{"id":"1","timestamp":1767323045000,"message":"paid by a@example.com"}]}`

func (r *reader) refill(t *testing.T) {
	t.Helper()
	if r.messages() > 0 {
		return
	}
	cause := dlq.Cause{Class: "unavailable", LogGroup: "/ecs/payments", FirstFailure: time.Now().Add(-time.Hour), Attempts: 1}
	if _, err := r.queue.Put(t.Context(), []dlq.Entry{{Event: transform.Pack([]byte(event)), Cause: cause}}); err != nil {
		t.Fatal(err)
	}
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{dir: t.TempDir()}
	shop, err := os.ReadFile("../../testdata/taskdefs/shop.json")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(string(page), "```yaml\n")
	rules, _, _ = strings.Cut(rules, "```")
	var exported bytes.Buffer
	zipped := gzip.NewWriter(&exported)
	_, _ = zipped.Write([]byte(`{"events":[{"timestamp":1767323045000,"message":"exported","ingestionTime":1767323046000}]}`))
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"shop.json": string(shop), "deploy/shop.json": string(shop), "rules.yaml": rules, "events.json": event,
		"template.yaml": "Resources:\n  Web:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      Family: web\n      ContainerDefinitions:\n        - {Name: web, Image: nginx, Memory: 512, Cpu: 256}\n",
		"page.json.gz":  exported.String(),
	} {
		name = filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	endpoint, stop, err := sumotest.New().Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)

	logs, queues := logstest.New(), sqstest.New()
	at := time.Now().Add(-30 * time.Minute).UnixMilli()
	for _, name := range []string{"/ecs/shop", "/ecs/web", "/ecs/api"} {
		logs.Add(logstest.Group{Name: name, Tags: map[string]string{"ship": "yes"}})
		logs.AddEvents(name, []logstest.Event{{Stream: "web/app/1", Timestamp: at, Message: "served"}})
	}
	logs.AddFunction("forwarder", "")
	logs.SetVariables("forwarder", map[string]string{"SUMO_ENDPOINT": endpoint})
	logs.AddFunction("old", "")
	queues.OnRequest(func(sqstest.Call) sqstest.Fault {
		time.Sleep(5 * time.Millisecond) // as in newAccount
		return sqstest.Fault{}
	})
	queues.Add(sqstest.Config{Name: "quarantine"})
	url := queues.Add(sqstest.Config{Name: "dead", DeadLetter: "quarantine", MaxReceives: 10})
	r.queue = dlq.New(url, 0, func(context.Context) (*sqs.Client, error) { return queues.Client(), nil })
	r.messages = func() int { return len(queues.Messages("dead")) }
	logsAPI, queuesAPI := httptest.NewServer(logs), httptest.NewServer(queues)
	t.Cleanup(logsAPI.Close)
	t.Cleanup(queuesAPI.Close)
	r.variables = map[string]string{"SUMO_ENDPOINT": endpoint}
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": logsAPI.URL, "AWS_ENDPOINT_URL_SQS": queuesAPI.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "id",
		"AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_PROFILE": "", "SUMO_ENDPOINT": endpoint, "LOG_FORMAT": "", "COLUMNS": ""} {
		t.Setenv(name, value)
	}
	return r
}
