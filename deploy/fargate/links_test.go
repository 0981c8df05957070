package fargate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		text, variable string
		want           string // hosts in brackets, possible hosts in parentheses
	}{
		{"db", "DB_HOST", "[db]"},
		{"db", "", "[db]"},
		{"db", "DB_CONNECTION", "(db)"},
		{"db", "SESSION_DRIVER", "(db)"},
		{"db:3306", "X", "[db:3306]"},
		{"mysql://db/x", "X", "mysql://[db]/x"},
		{"mysql://db:3306/x", "X", "mysql://[db:3306]/x"},
		{"mysql://u:p@db:3306/x", "X", "mysql://u:p@[db:3306]/x"},
		{"u@db", "X", "u@[db]"},
		{"mysql://db:1234@host/db", "X", "mysql://(db):1234@host/(db)"},
		{"db://host", "X", "db://host"},
		{"db://db", "X", "db://[db]"},
		{"db:1,db:22,db2:33", "X", "(db):1,[db:22],db2:33"},
		{"db:33066x", "X", "(db):33066x"},
		{"db:5.7", "X", "(db):5.7"},
		{"mydb db_x db-1 db.local", "X", "mydb db_x db-1 db.local"},
		{"UDP:db:8125; db", "", "UDP:[db:8125]; (db)"},
		{"http://db?x=db", "X", "http://[db]?x=(db)"},
		{"${db}:3306 {{ db }} db:80", "X", "${db}:3306 {{ db }} [db:80]"},
		{"postgres://u:${PW}@db:5432/x", "X", "postgres://u:${PW}@[db:5432]/x"},
		{"", "X", ""},
		{"DB", "X", "DB"},
	} {
		var b strings.Builder
		last := 0
		for _, m := range hosts(c.text, "db", c.variable) {
			open, end := "(", ")"
			if m.host {
				open, end = "[", "]"
			}
			b.WriteString(c.text[last:m.start] + open + m.token(c.text) + end)
			last = m.end
		}
		b.WriteString(c.text[last:])
		if d := cmp.Diff(c.want, b.String()); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, d)
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
