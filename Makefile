# Everything a contributor or an operator types; each target installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Where `make install` puts things; DESTDIR is for packagers.
PREFIX ?= /usr/local
DESTDIR ?=
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
CARGO_NEXTEST_VERSION := 0.9.143
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help run test bench lint fuzz fmt build install clean need-build need-check need-test

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: need-build ## Start a server on ./data
	cargo run --locked --release -- serve --data-dir ./data

test: need-test ## Formatting, lints, every test, and the examples in the documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo nextest run --locked --workspace $(if $(CI),--profile ci)
	cargo test --locked --workspace --doc

bench: build ## Load a fresh server and print throughput and latency
	@scripts/need.sh python3=python3
	scripts/bench.sh $(TARGET)/release/lastmile

lint: need-check ## Formatting, lints, the house rules, and the licences and sources of dependencies
	@scripts/need-tool.sh cargo-deny $(CARGO_DENY_VERSION)
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo xtask tidy
	cargo deny --locked check licenses bans sources

fuzz: need-build ## Feed noise to every parser, FUZZ_SECONDS each
	@scripts/need.sh build-essential=c++
	@scripts/need-tool.sh cargo-fuzz $(CARGO_FUZZ_VERSION)
	scripts/fuzz.sh $(FUZZ_SECONDS)

fmt: need-check ## Format the sources
	cargo fmt --all

build: need-build ## Build the release binary
	cargo build --locked --release

install: build ## Install the binary and the systemd unit below PREFIX
	install -D --mode=755 $(TARGET)/release/lastmile $(DESTDIR)$(PREFIX)/bin/lastmile
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/bin/lastmile|$(PREFIX)/bin/lastmile|' dist/lastmile.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/lastmile.service

clean: ## Remove what was built
	cargo clean

need-build:
	@scripts/need-rust.sh
	@scripts/need.sh build-essential=cc

need-check: need-build
	@scripts/need-rust.sh rustfmt clippy

# radclient, tshark and pyrad are the peers that tests talk to; initdb starts a PostgreSQL for them.
need-test: need-check
	@scripts/need.sh freeradius-utils=radclient tshark=tshark \
		postgresql='/usr/lib/postgresql/*/bin/initdb' python3-venv=python3:ensurepip
	@scripts/venv.sh
	@scripts/need-tool.sh cargo-nextest $(CARGO_NEXTEST_VERSION)
