package fargate

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/deploy/tree"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		text, variable string
		want           string // certain in brackets, likely in braces, possible in parentheses
	}{
		{"db", "DB_HOST", "[db]"},
		{"db", "", "(db)"},
		{"db", "DB", "(db)"},
		{"db", "DB_CONNECTION", "(db)"},
		{"db", "SESSION_DRIVER", "(db)"},
		{"db", "DB_SERVER", "{db}"},
		{"db", "DB_SERVER_TYPE", "(db)"},
		{"db", "CACHE_BACKEND", "(db)"},
		{"db", "NODE_ENV", "(db)"},
		{"db", "GHOST", "(db)"},
		{"db,other", "KAFKA_NODES", "{db},other"},
		{"db:3306", "X", "[db:3306]"},
		{"db:14", "X", "(db:14)"},
		{"db:3307", "X", "(db:3307)"},
		{"db:3307", "DB_HOST", "{db:3307}"},
		{"mysql://db/x", "X", "mysql://[db]/x"},
		{"s3://db/x", "BACKUP_URL", "s3://(db)/x"},
		{"mysql://db:9999/x", "X", "mysql://[db:9999]/x"},
		{"mysql://u:p@db:3306/db", "X", "mysql://u:p@[db:3306]/db"},
		{"mysql://u:db@db/x", "X", "mysql://u:db@[db]/x"},
		{"u@db", "X", "u@(db)"},
		{"u@db", "MAIL_FROM_ADDRESS", "u@(db)"},
		{"mysql://db:1234@host/db", "X", "mysql://db:1234@host/db"},
		{"db://host", "X", "db://host"},
		{"db://db", "X", "db://[db]"},
		{"db:1,db:3306,db2:33", "X", "(db:1),[db:3306],db2:33"},
		{"db:33066x", "X", "(db):33066x"},
		{"db:5.7", "X", "(db):5.7"},
		{"mydb db_x db-1 db.local", "X", "mydb db_x db-1 db.local"},
		{"UDP:db:3306; db", "", "UDP:[db:3306]; (db)"},
		{"mysql -h db -u x; mysql -hdb db", "", "mysql -h {db} -u x; mysql -h{db} (db)"},
		{"run --host=db --user=db --x=db", "", "run --host={db} --user=db --x=(db)"},
		{"http://db?x=db", "X", "http://[db]?x=(db)"},
		{"mongodb://u:p@db:1,b,db:2/db", "X", "mongodb://u:p@[db:1],b,[db:2]/db"},
		{"Server=tcp:db,1433;Database=db", "X", "Server=tcp:{db},1433;Database=db"},
		{"u:p@tcp(db:3306)/db", "X", "u:p@tcp([db:3306])/db"},
		{"${db}:3306 {{ db }} db:3306", "X", "${db}:3306 {{ db }} [db:3306]"},
		{"postgres://u:${PW}@db:5432/x", "X", "postgres://u:${PW}@[db:5432]/x"},
		{"", "X", ""},
		{"DB", "X", "DB"},
	} {
		var b strings.Builder
		last := 0
		for _, m := range hosts(c.text, "db", place{variable: c.variable, ports: ports{{first: 3306, last: 3306}}}) {
			brackets := [...]string{possible: "()", likely: "{}", certain: "[]"}[m.reading]
			b.WriteString(c.text[last:m.start] + brackets[:1] + m.token(c.text) + brackets[1:])
			last = m.end
		}
		b.WriteString(c.text[last:])
		if d := cmp.Diff(c.want, b.String()); d != "" {
			t.Errorf("%s=%q (-want +got):\n%s", c.variable, c.text, d)
		}
	}
}

// TestRewriteLinks counts what each choice of RewriteLinks rewrites.
func TestRewriteLinks(t *testing.T) {
	src := two(`"links": ["db:mysql"], "environment": [{"name": "A", "value": "mysql:3306"}], "command": ["x", "mysql:3306"],
		"healthCheck": {"command": ["CMD", "ping", "mysql:3306"]}`, "")
	for _, c := range []struct {
		where string
		want  int // of 3
	}{{"", 1}, {"env", 1}, {"all", 3}, {"none", 0}} {
		d := read(t, "td.json", src)
		found, err := Convert(d, usual(Options{RewriteLinks: c.where}))
		if err != nil || hasError(found) {
			t.Fatal(err, found)
		}
		if got := strings.Count(string(d.Bytes()), `"127.0.0.1:3306"`); got != c.want {
			t.Errorf("%q: %d rewritten, want %d", c.where, got, c.want)
		}
		if kept, done := withID(found, "link-alias-kept"), withID(found, "link-alias-rewritten"); len(kept) != 3-c.want || len(done) != c.want {
			t.Errorf("%q: findings of %d kept, %d rewritten, want %d and %d", c.where, len(kept), len(done), 3-c.want, c.want)
		}
	}
}

// linkCase is a line of testdata/links.tsv.
type linkCase struct{ image, alias, linked, variable, value, want string }

func linkCorpus(t *testing.T) (all []linkCase) {
	t.Helper()
	f, err := os.Open("testdata/links.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		columns := strings.Split(lines.Text(), "\t")
		if len(columns) != 4 {
			t.Fatalf("%d columns in %q", len(columns), lines.Text())
		}
		alias, linked, _ := strings.Cut(columns[1], " ")
		marked := "<" + alias + ">"
		all = append(all, linkCase{columns[0], alias, linked, columns[2],
			strings.ReplaceAll(columns[3], marked, alias), strings.ReplaceAll(columns[3], marked, loopback)})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLinkCorpus converts variables that public images document, and holds what
// docs/fargate.md says of them. A value that is rewritten wrongly must not have been
// rewritten in silence.
func TestLinkCorpus(t *testing.T) {
	all := linkCorpus(t)
	var addresses, rewritten, right, silent int
	for _, c := range all {
		definition := fmt.Sprintf(`{"family": "a", "containerDefinitions": [
			{"name": "app", "image": "app", "memory": 1, "links": ["linked-one:%s"], "environment": [{"name": %s, "value": %s}]},
			{"name": "linked-one", "image": %s, "memory": 1}]}`,
			c.alias, quoted(c.variable), quoted(c.value), quoted(c.linked))
		d := read(t, "td.json", definition)
		found, err := Convert(d, usual(Options{}))
		if err != nil || hasError(found) {
			t.Fatal(err, string(describe(found)))
		}
		got := first(first(d.Definition().Field("containerDefinitions")).Field("environment")).Field("value").Str()
		if c.want != c.value {
			addresses++
		}
		switch {
		case got == c.value && c.want == c.value:
		case got == c.value:
			t.Logf("missed: %s %s=%s", c.image, c.variable, c.value)
			if len(withID(found, "link-alias-kept")) == 0 {
				t.Errorf("%s %s=%s: kept without a warning", c.image, c.variable, c.value)
			}
		case got == c.want:
			rewritten++
			right++
			if len(withID(found, "link-alias-rewritten")) > 0 {
				silent++
			}
		default:
			rewritten++
			t.Logf("wrong: %s %s=%s became %s", c.image, c.variable, c.value, got)
			if len(withID(found, "link-alias-assumed")) == 0 {
				t.Errorf("%s %s=%s: became %s without a warning", c.image, c.variable, c.value, got)
			}
		}
	}
	if len(all) < 200 || addresses < 100 || len(all)-addresses < 90 {
		t.Errorf("%d variables, %d addresses: the corpus is lopsided", len(all), addresses)
	}
	text := fmt.Sprintf("Of %d variables that public images document, %d hold the alias of a link as an address. `convert` rewrites %d of these and "+
		"%d others: precision %.1f %%, recall %.1f %%. The other addresses stay, each with a warning; %d rewrites were certain enough to be infos.\n",
		len(all), addresses, right, rewritten-right, 100*float64(right)/float64(rewritten), 100*float64(right)/float64(addresses), silent)
	holdsText(t, "../../docs/fargate.md", "link corpus", text)
}

func quoted(s string) string { return tree.NewString(s).Source() }

// holdsText compares the text between two marks of a page; -update writes it.
func holdsText(t *testing.T, page, mark, want string) {
	t.Helper()
	src, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+mark+": go test ./deploy/fargate -update writes this -->\n", "<!-- end of "+mark+" -->\n"
	before, rest, ok := strings.Cut(string(src), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has nothing between %q and %q", page, begin, end)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", page, d)
	}
}
