# Rules for SAM (build-…), for CI and for people.

ARTIFACTS_DIR   ?= dist
FUNCTION_GOARCH ?= arm64
FUZZTIME        ?= 10s
CORPUS          ?= $(shell go env GOCACHE)/fuzz/$(shell go list -m)

# In a checkout, go build finds the version by itself; elsewhere VERSION says it.
VERSION ?=
linked = $(if $(VERSION),-X sumoship/version.number=$(VERSION))

.PHONY: help build test lint lint-template bucket release deploy fuzz prove vulnerabilities bench bench-compare bench-process

help: ## this list
	@awk -F ': *## *' '/^[a-z-]+:.* ## /{ printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the command and the functions, in dist/
	go build -trimpath -ldflags '$(linked)' -o dist/sumoship ./cmd/sumoship
	$(MAKE) build-Forwarder ARTIFACTS_DIR=dist/forwarder
	$(MAKE) build-Replay ARTIFACTS_DIR=dist/replay
	$(MAKE) build-Stream ARTIFACTS_DIR=dist/stream
	$(MAKE) build-Subscriber ARTIFACTS_DIR=dist/subscriber
	$(MAKE) build-Heartbeat ARTIFACTS_DIR=dist/heartbeat

# One rule builds every function. SAM runs it for each AWS::Serverless::Function
# with BuildMethod makefile, so what CI builds is what is deployed.
build-Forwarder: main = forwarder
build-Replay: main = replay
build-Stream: main = stream
build-Subscriber: main = subscriber
build-Heartbeat: main = heartbeat
build-%:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(FUNCTION_GOARCH) \
	go build -trimpath -tags lambda.norpc -ldflags '-s -w $(linked)' -o $(ARTIFACTS_DIR)/bootstrap ./function/$(main)

test: ## all tests; without CI set, those whose tool (moto_server, aws, cfn-lint, python3) is missing are skipped
	go test ./...

lint: ## gofmt, go vet, staticcheck, errcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt would change these'; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool errcheck -ignoretests -exclude .ci/errcheck.txt ./...

lint-template: ## cfn-lint, for a Region of every partition that matters
	cfn-lint -r us-east-1 eu-west-1 us-gov-west-1 cn-north-1 -- template.yaml source.yaml

bucket: ## the functions and the template without a transform, in dist/release/bucket
	go run ./release -bucket -o dist/release

release: ## everything of a release, in dist/release, built twice and compared, with COLD=1 from nothing; VERSION is the tag
	go run ./release $(if $(COLD),-cold) -version $(or $(VERSION),$(shell git describe --tags --always --dirty)) -o dist/release

deploy: ## SAM builds and deploys template.yaml, with the settings of samconfig.toml
	sam build
	sam deploy

# The targets are found by their text: go test -list would build every package's tests.
# Each package is compiled once, and its targets run as go test -fuzz runs them. What is
# interesting is hardly minimized: that took longer than the fuzzing.
fuzz: ## each fuzz target for FUZZTIME, a time or a count such as 20000x; what is found goes to CORPUS, by default Go's cache
	@tests=$$(mktemp -d) && trap 'rm -rf "$$tests"' EXIT && \
	grep -ro --include='*_test.go' --exclude-dir=dist --exclude-dir=.aws-sam '^func Fuzz[A-Za-z0-9_]*' . | \
	sed -E 's|^\./(.*)/[^/]*:func |\1 |' | sort | while read -r pkg target; do \
	  echo "fuzz ./$$pkg $$target"; \
	  test -x "$$tests/$$pkg/test" || go test -c -fuzz . -vet=off -o "$$tests/$$pkg/test" "./$$pkg" || exit 1; \
	  (cd "$$pkg" && "$$tests/$$pkg/test" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) \
	    -test.fuzzminimizetime 10x -test.fuzzcachedir "$(CORPUS)/$$pkg" -test.paniconexit0 </dev/null) || exit 1; \
	done

prove: ## what docs/reliability.md says, again, part by part with a summary; half an hour, less with PARTS, RUNS, SOAK, SEEDS, MUTANTS
	PARTS="$(PARTS)" RUNS=$(RUNS) SOAK=$(SOAK) SEEDS=$(SEEDS) MUTANTS=$(MUTANTS) function/prove/run

vulnerabilities: ## known vulnerabilities that the code calls; needs access to the Go vulnerability database
	go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

BENCH ?= .
COUNT ?= 6

bench: ## all benchmarks, or those that BENCH matches
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-compare: ## COUNT runs of the benchmarks that BENCH matches, at the revision OLD and here, in turn
	@test -n "$(OLD)" || { echo 'which revision? make bench-compare OLD=main~1 BENCH=Invocation'; exit 2; }
	rm -rf dist/bench && mkdir -p dist/bench/tree && git archive $(OLD) | tar -x -C dist/bench/tree
	for i in $$(seq $(COUNT)); do \
	  (cd dist/bench/tree && go test -run '^$$' -bench '$(BENCH)' -benchmem ./...) >>dist/bench/old.txt || exit 1; \
	  go test -run '^$$' -bench '$(BENCH)' -benchmem ./... >>dist/bench/new.txt || exit 1; \
	done
	go tool benchstat dist/bench/old.txt dist/bench/new.txt

PROCESSES ?= 3

bench-process: ## the table of docs/performance.md: the built forwarder beside the floor, PROCESSES of each for each load
	go test ./function/ship -run '^TestProcess$$' -count 1 -v -process $(PROCESSES)
