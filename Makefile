# One rule builds every function: SAM (BuildMethod: makefile) and CI both run it.
ARTIFACTS_DIR ?= dist
FUNCTION_GOARCH ?= arm64

.PHONY: build test lint bench fuzz

build:
	$(MAKE) build-Forwarder ARTIFACTS_DIR=dist/forwarder
	go build -trimpath -o dist/sumoship ./cmd/sumoship

build-Forwarder: main = forwarder
build-%:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(FUNCTION_GOARCH) \
	go build -trimpath -tags lambda.norpc -ldflags '-s -w' -o $(ARTIFACTS_DIR)/bootstrap ./function/$(main)

test:
	go test -race ./...
