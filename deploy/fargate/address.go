package fargate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// reading says how sure it is that a word in a text is the address of a container.
type reading uint8

const (
	elsewhere reading = iota // it is something else: the path or user of a URL, a database, a scheme
	possible                 // nothing shows what it is
	likely                   // its place or the name of the variable says so
	certain                  // it is the host of a URL, or before a port of the container
)

// place is what surrounds a text: the name of its variable, or the command that it
// is in.
type place struct {
	variable string // "" in a command
	flagged  bool   // the argument before it is a flag for a host, such as -h
	ports    ports  // of the linked container
}

// ports are the ports that a container is known to listen on, nil if none is known.
type ports []portRange

func (p ports) have(port int64) bool {
	return slices.ContainsFunc(p, func(r portRange) bool { return r.first <= port && port <= r.last })
}

// match is an alias in a text: [start,end), with its port if any.
type match struct {
	start, end int
	reading    reading
}

func (m match) token(s string) string { return s[m.start:m.end] }

var (
	deferred = regexp.MustCompile(`\$\{[^}]*\}|\{\{.*?\}\}`)
	portOf   = regexp.MustCompile(`^:(\d{1,5})`)
	// keyBefore matches the key of key=value in front of a word, as connection strings
	// have it: Server=tcp:db,1433;Database=x, host=db port=5432, -Ddb.host=db.
	keyBefore = regexp.MustCompile(`(?:^|[;,&?\s"'])([A-Za-z-][\w .-]*?)\s*=\s*["']?(?:(?:tcp|udp|np):)?$`)
	// schemeBefore matches the scheme of the URL whose authority a word is in, and what
	// of the authority is in front of the word.
	schemeBefore = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\s"'\\;|]*)$`)
	// pathBefore matches the URL, or the path in it, that a word is in.
	pathBefore = regexp.MustCompile(`(?:://[^\s"'\\;|/?#]*|\w\))[/?#][^\s"'\\;,|]*$`)
	goDSN      = regexp.MustCompile(`\b(tcp|udp)\($`) // user:password@tcp(db:3306)/name
	hostFlag   = regexp.MustCompile(`^(-h|-H|--?([\w-]*-)?(host|hostname|server|addr|address|url|uri|endpoint|broker|bootstrap-server)s?)$`)
	flagBefore = regexp.MustCompile(`(?:^|\s)(-[\w-]+)\s+["']?$`)
)

// stores are schemes of URLs without a network address in them: object stores,
// files, images, secrets, services by name.
var stores = set("s3", "s3a", "s3n", "s3t", "gs", "gcs", "wasb", "wasbs", "abfs", "abfss", "adl", "azblob", "azure", "swift", "oss",
	"cos", "obs", "b2", "r2", "minio", "hf", "gdrive", "rclone", "bucket", "file", "jar", "classpath", "data", "mem", "memory",
	"inmem", "inmemory", "in-memory", "null", "noop", "sqlite", "sqlite3", "h2", "unix", "env", "arn", "ssm", "secretsmanager", "secret",
	"vault", "kms", "awskms", "gcpkms", "azurekms", "docker", "docker-image", "docker-daemon", "oci", "oci-archive", "containers-storage",
	"image", "lb", "k8s", "kubernetes", "service", "sns", "sqs", "awssns", "awssqs", "dynamodb", "kinesis", "lambda", "athena", "glue",
	"mailto", "urn", "tag", "git+file", "plugin", "local", "log", "stdout")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// Words in the names of variables that hold addresses. A strong one is enough to
// know that a bare word is an address; after a weak one it is likely.
var (
	strong = set("host", "hosts", "hostname", "hostnames", "hostport", "addr", "addrs", "address", "addresses", "url", "urls", "uri", "uris",
		"endpoint", "endpoints", "dsn", "fqdn")
	weak = set("server", "servers", "broker", "brokers", "node", "nodes", "peer", "peers", "seed", "seeds", "upstream", "upstreams",
		"bootstrap", "connect", "quorum", "sentinel", "sentinels", "ip", "ips")
	strongEnd = regexp.MustCompile(`(hosts?|hostnames?|urls?|uris?|addr|address|endpoints?)$`)
	weakEnd   = regexp.MustCompile(`(servers?|brokers?)$`)
	noEnd     = set("ghost", "curl", "observer", "observers", "localhost")
	// qualifiers make another thing of the words before them: DB_SERVER_TYPE, NODE_ENV.
	qualifiers = set("type", "engine", "driver", "dialect", "adapter", "vendor", "version", "tag", "role", "env", "environment", "mode", "kind",
		"client", "profile", "profiles", "id", "user", "username", "login", "password", "pass", "secret", "token", "key", "image", "label",
		"labels", "group", "class", "scheme", "protocol", "path", "prefix", "suffix", "name", "names", "alias", "port", "size", "count",
		"timeout", "enabled", "status", "format", "template", "pattern", "header", "database", "schema", "family", "flavor", "flavour",
		"implementation", "impl", "provider", "backend", "strategy", "cert", "ca", "region", "zone", "title", "description", "check", "instance")
	// own are names by which others reach a server, or by which it knows itself.
	own = set("virtual", "allowed", "trusted", "letsencrypt", "vhost")
)

// address says how sure the name of a variable, or a key of key=value, makes it
// that the value is an address.
func address(name string) reading {
	best := possible
	words := wordsOf(name)
	for i, w := range words {
		last := i == len(words)-1 || i == len(words)-2 && (words[i+1] == "list" || unicode.IsDigit(rune(words[i+1][0])))
		switch {
		case own[w], w == "master" && i > 0 && words[i-1] == "initial": // cluster.initial_master_nodes
			return possible
		case qualifiers[w]:
			if w != "name" && w != "names" || i == 0 || words[i-1] != "host" {
				best = possible
			}
		case strong[w] || strongEnd.MatchString(w) && !noEnd[w]:
			best = certain
		case last && (weak[w] || weakEnd.MatchString(w) && !noEnd[w]),
			w == "points" && i > 0 && words[i-1] == "contact", w == "proxy" && i > 0 && words[i-1] == "no",
			w == "source" && i > 0 && words[i-1] == "data":
			best = max(best, likely)
		}
	}
	return best
}

// wordsOf splits a name at punctuation and at humps, in lower case: DB_HOST, dbHost
// and db.host are db and host.
func wordsOf(name string) (words []string) {
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	var last rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && unicode.IsLower(last):
			flush()
			word = append(word, r)
		case unicode.IsDigit(r) && unicode.IsLetter(last):
			flush() // HOST1
		default:
			word = append(word, r)
		}
		last = r
	}
	flush()
	return words
}

// hosts returns where alias occurs in s as a whole name, and how sure it is that it
// is an address there. It skips what is filled in at deployment, ${…} and {{…}}.
func hosts(s, alias string, at place) (all []match) {
	if !strings.Contains(s, alias) {
		return nil
	}
	var masked [][]int
	if strings.Contains(s, "{") {
		masked = deferred.FindAllStringIndex(s, -1)
	}
	for from := 0; ; {
		i := strings.Index(s[from:], alias)
		if i < 0 {
			return all
		}
		start := from + i
		end := start + len(alias)
		from = start + 1
		if start > 0 && inName(s[start-1]) && !shortFlag(s[:start]) || end < len(s) && inName(s[end]) {
			continue
		}
		if slices.ContainsFunc(masked, func(m []int) bool { return start < m[1] && end > m[0] }) {
			continue
		}
		if m := matchAt(s, start, end, at); m.reading != elsewhere {
			all = append(all, m)
			from = m.end
		}
	}
}

// shortFlag reports whether a word follows the flag -h without a space: mysql -hdb.
func shortFlag(before string) bool { return before == "-h" || strings.HasSuffix(before, " -h") }

// matchAt reads the alias s[start:end] in its place.
func matchAt(s string, start, end int, at place) match {
	m := match{start: start, end: end, reading: possible}
	before, after := s[:start], s[end:]
	url := schemeBefore.FindStringSubmatch(before)
	if strings.HasPrefix(after, "://") || url != nil && user(after) {
		m.reading = elsewhere // the scheme, or the user of a URL
		return m
	}
	named := possible
	if at.variable != "" {
		named = address(at.variable)
	}
	port := int64(0)
	if found := portOf.FindStringSubmatch(after); found != nil {
		if rest := after[len(found[0]):]; rest == "" || !inName(rest[0]) && rest[0] != '@' && rest[0] != ':' {
			port, _ = strconv.ParseInt(found[1], 10, 64)
			m.end += len(found[0])
		}
	}
	key := keyBefore.FindStringSubmatch(before)
	switch {
	case url != nil && inAuthority(url[2]):
		m.reading = certain
		if stores[strings.ToLower(url[1])] {
			m.reading = possible
		}
	case url != nil && strings.HasSuffix(url[2], ":"):
		m.reading = elsewhere // the password of a URL
	case key != nil && !strings.HasSuffix(before, "://"):
		m.reading = min(address(key[1]), likely)
		if m.reading == possible && lastQualifies(key[1]) {
			m.reading = elsewhere // Database=db;User=db
		}
		if m.reading != elsewhere && at.ports.have(port) {
			m.reading = certain
		}
	case pathBefore.MatchString(before):
		m.reading = elsewhere
	case goDSN.MatchString(before), port > 0 && at.ports.have(port):
		m.reading = certain
	case port > 0 && named > possible:
		m.reading = likely
	case port > 0:
		if at.variable == "" && at.ports == nil && port >= 1024 { // not the tag of an image
			m.reading = likely
		}
	case strings.HasSuffix(before, "@"): // rabbit@db, noreply@db: a node, a mailbox
	case at.variable == "" && (start == 0 && at.flagged || shortFlag(before) || flagFor(before)):
		m.reading = likely
	case named > possible && element(before, after):
		m.reading = named
	}
	return m
}

// inAuthority reports whether the next word of an authority, after this part of it, is
// a host: the first, after the user, or in a list of hosts.
func inAuthority(part string) bool {
	return part == "" || strings.HasSuffix(part, "@") || strings.HasSuffix(part, ",") || strings.HasSuffix(part, "(")
}

// element reports whether a word is a whole value, or one of a list.
func element(before, after string) bool {
	const around = ",; \t\n\"'[]|"
	return (before == "" || strings.ContainsRune(around, rune(before[len(before)-1]))) &&
		(after == "" || strings.ContainsRune(around, rune(after[0])) || before == "" && after[0] == '/')
}

func lastQualifies(name string) bool {
	words := wordsOf(name)
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	return qualifiers[last] || last == "db" || last == "dbname" || last == "catalog" || last == "uid" || last == "pwd" || last == "active"
}

// flagFor reports whether a word follows a flag for a host, in the text of a command.
func flagFor(before string) bool {
	found := flagBefore.FindStringSubmatch(before)
	return found != nil && hostFlag.MatchString(found[1])
}

// user reports whether a word followed by after is the user name in a URL.
func user(after string) bool {
	if i := strings.IndexAny(after, "/?#, \t\n\"'"); i >= 0 {
		after = after[:i]
	}
	return strings.Contains(after, "@")
}

// inName reports whether a host name can contain the byte.
func inName(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '.' || b == '-'
}

// exposed are the ports that well-known images listen on, by the last part of their
// names. Source: EXPOSE of the images on Docker Hub and Amazon ECR Public.
var exposed = map[string][]int64{
	"mysql": {3306}, "mariadb": {3306}, "percona": {3306}, "postgres": {5432}, "postgis": {5432}, "postgresql": {5432},
	"timescaledb": {5432}, "redis": {6379}, "valkey": {6379}, "keydb": {6379}, "redis-stack": {6379, 8001}, "mongo": {27017},
	"mongodb": {27017}, "rabbitmq": {5672, 15672, 5671}, "memcached": {11211}, "elasticsearch": {9200, 9300},
	"opensearch": {9200, 9300}, "kibana": {5601}, "zookeeper": {2181}, "kafka": {9092}, "cp-kafka": {9092}, "cp-zookeeper": {2181},
	"consul": {8500, 8600, 8300}, "vault": {8200}, "nats": {4222, 8222}, "influxdb": {8086}, "cassandra": {9042, 7000, 9160},
	"etcd": {2379, 2380}, "solr": {8983}, "nginx": {80, 443}, "httpd": {80}, "wordpress": {80}, "ghost": {2368}, "couchdb": {5984},
	"neo4j": {7474, 7687}, "minio": {9000, 9001}, "mailhog": {1025, 8025}, "fluentd": {24224}, "fluent-bit": {24224, 2020},
	"aws-for-fluent-bit": {24224}, "activemq": {61616, 8161}, "clickhouse-server": {8123, 9000}, "cloudwatch-agent": {25888, 8125},
	"aws-xray-daemon": {2000}, "datadog-agent": {8125, 8126}, "agent": {8125, 8126}, "statsd": {8125}, "graphite-statsd": {8125, 2003},
	"selenium-hub": {4444}, "gearmand": {4730}, "beanstalkd": {11300}, "prometheus": {9090}, "grafana": {3000}, "loki": {3100},
	"jaeger": {6831, 14268, 16686}, "all-in-one": {6831, 14268, 16686}, "dynamodb-local": {8000}, "localstack": {4566}, "varnish": {80},
	"phpmyadmin": {80}, "php": {9000}, "aws-otel-collector": {4317, 4318}, "keycloak": {8080, 8443}, "tomcat": {8080}, "jenkins": {8080, 50000},
	"meilisearch": {7700}, "typesense": {8108}, "sonarqube": {9000}, "rethinkdb": {28015, 8080}, "arangodb": {8529}, "orientdb": {2424, 2480},
	"mssql": {1433}, "server": {1433}, "envoy": {9901, 10000}, "traefik": {80, 8080}, "haproxy": {80}, "pgbouncer": {6432, 5432},
}

// imageName returns the last part of an image, without registry, tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, '/'); i >= 0 {
		image = image[i+1:]
	}
	name, _, _ := strings.Cut(image, ":")
	return name
}
