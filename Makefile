# Everything a contributor or an operator types; each target installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Where `make install` puts things; DESTDIR is for packagers.
PREFIX ?= /usr/local
DESTDIR ?=
# How long each fuzz target runs.
FUZZ_SECONDS ?= 300
# How many users `make oracle` makes up for each database; a run is repeated with LASTMILE_ORACLE_SEED.
ORACLE_USERS ?= 50000
LASTMILE_ORACLE_SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

# How many requests `make fuzz-api` makes up for each operation.
FUZZ_API_EXAMPLES ?= 200

# How many users `make bench-import` makes.
IMPORT_USERS ?= 100000

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
CARGO_NEXTEST_VERSION := 0.9.143
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Warnings are errors with the Rust of `rust-version`; newer ones know more lints and show them.
RUST_VERSION := $(shell sed -nE 's/^rust-version = "([0-9.]+)"$$/\1/p' Cargo.toml)
DENY_WARNINGS = $(if $(filter $(RUST_VERSION).%,$(shell cargo --version)),-- -D warnings)

# Debian packages and what each is wanted for; see scripts/need.sh.
# radclient, tshark and pyrad are the peers that tests talk to; initdb starts a PostgreSQL for them;
# FreeRADIUS says what rows mean, and MariaDB is what it is often left with; hostapd and
# wpa_supplicant are a router and its device in a network of their own, and eapol_test is both at once;
# curl is a client of the web listener, and pebble an authority that signs certificates for it.
BUILD_PACKAGES := build-essential=cc
TEST_PACKAGES := freeradius=/usr/sbin/freeradius \
	freeradius-postgresql=/usr/lib/freeradius/rlm_sql_postgresql.so \
	freeradius-mysql=/usr/lib/freeradius/rlm_sql_mysql.so mariadb-server=/usr/sbin/mariadbd \
	freeradius-utils=radclient tshark=tshark \
	postgresql='/usr/lib/postgresql/*/bin/initdb' python3-venv=python3:ensurepip sqlite3=sqlite3 \
	eapoltest=eapol_test hostapd=/usr/sbin/hostapd wpasupplicant=/usr/sbin/wpa_supplicant iproute2=ip \
	curl=curl pebble=pebble

.PHONY: help run test oracle fuzz-api openapi bench bench-api bench-events bench-import bench-growth bench-lists lint fuzz fmt build install clean
.PHONY: need-build need-check need-test need-lint need-bench need-fuzz

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: need-build ## Start a server on ./data
	cargo run --locked --release -- serve --data-dir ./data

test: need-test ## Formatting, lints, every test, and the examples in the documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets $(DENY_WARNINGS)
	cargo nextest run --locked --workspace $(if $(CI),--profile ci)
	cargo test --locked --workspace --doc

oracle: need-test ## Compare with FreeRADIUS about rows made at random, ORACLE_USERS of them
	LASTMILE_ORACLE_SEED=$(LASTMILE_ORACLE_SEED) LASTMILE_ORACLE_USERS=$(ORACLE_USERS) cargo nextest run --locked --package lastmile --test oracle --profile oracle

bench: need-bench build ## Measure beside FreeRADIUS: throughput, latency, processor time, memory
	scripts/bench.sh $(TARGET)/release/lastmile

bench-import: need-test build ## Time the import of a FreeRADIUS with IMPORT_USERS users
	scripts/bench/import.sh $(TARGET)/release/lastmile $(IMPORT_USERS)

bench-api: need-bench build ## Measure what requests to the interface cost routers
	scripts/bench/api.sh $(TARGET)/release/lastmile

bench-events: need-bench build ## Measure what telling events costs routers
	scripts/bench/events.sh $(TARGET)/release/lastmile

bench-growth: need-bench build ## Measure how it grows: a million subscribers, a year of sessions
	BENCH_GROWTH=1 scripts/bench.sh $(TARGET)/release/lastmile

bench-lists: need-test ## Time every list of a million customers and subscribers on both databases
	cargo bench --locked --package lastmile-storage --bench lists

lint: need-lint ## Formatting, lints, the house rules, and the licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets $(DENY_WARNINGS)
	cargo xtask tidy
	cargo deny --locked check licenses bans sources

openapi: need-check ## Write docs/openapi.json anew from the code
	LASTMILE_WRITE_OPENAPI=1 cargo nextest run --locked --package lastmile-api -E 'test(the_document_in_the_repository)'

fuzz-api: need-test ## Ask the interface everything its document allows, and more, FUZZ_API_EXAMPLES each
	LASTMILE_API_EXAMPLES=$(FUZZ_API_EXAMPLES) cargo nextest run --locked --package lastmile --test e2e --profile oracle --ignore-default-filter -E 'test(the_interface_is_what_its_document_says)'

fuzz: need-fuzz ## Feed noise to every parser, FUZZ_SECONDS each
	scripts/fuzz.sh $(FUZZ_SECONDS)

fmt: need-check ## Format the sources
	cargo fmt --all

build: need-build ## Build the release binary
	cargo build --locked --release

install: build ## Install the binary and the systemd unit below PREFIX
	install -D --mode=755 $(TARGET)/release/lastmile $(DESTDIR)$(PREFIX)/bin/lastmile
	sed 's|/usr/bin/lastmile|$(PREFIX)/bin/lastmile|' dist/lastmile.service | \
		install -D --mode=644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/lastmile.service

clean: ## Remove what was built
	cargo clean

need-build:
	@scripts/need-rust.sh
	@scripts/need.sh $(BUILD_PACKAGES)

need-check:
	@scripts/need-rust.sh rustfmt clippy
	@scripts/need.sh $(BUILD_PACKAGES)

# All packages are asked for at once: whoever installs them by hand does it once.
need-test:
	@scripts/need-rust.sh rustfmt clippy
	@scripts/need.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@scripts/venv.sh
	@scripts/need-tool.sh cargo-nextest $(CARGO_NEXTEST_VERSION)

need-lint: need-check
	@scripts/need-tool.sh cargo-deny $(CARGO_DENY_VERSION)

need-bench:
	@scripts/need-rust.sh
	@scripts/need.sh $(BUILD_PACKAGES)
	@scripts/bench/need.sh

need-fuzz:
	@scripts/need-rust.sh
	@scripts/need-nightly.sh
	@scripts/need.sh build-essential=c++
	@scripts/need-tool.sh cargo-fuzz $(CARGO_FUZZ_VERSION)
