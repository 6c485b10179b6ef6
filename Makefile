# Everything a developer runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

.PHONY: help tools build demo test lint fmt deny bench lab lab-down lab-status p3 trials trial-programs next-release

# Every script that is not Rust.
BASH_SCRIPTS := deploy/tools deploy/lab/lab deploy/lab/routers.sh deploy/lab/topology.sh tests/lab tests/trials .ci/run
PYTHON := deploy/demo deploy/lab/observer deploy/lab/p3 deploy/lab/trial deploy/lab/chapters/*.py deploy/lab/trials/*.py deploy/lab/qlab/*.py bench/run bench/*.py

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## install what all of the below needs (Debian 12, as root)
	deploy/tools

build: ## build the binary: target/release/quorumlb
	deploy/tools build
	cargo build --release --locked

demo: ## the article on four nodes in two racks, BGP and L2, one node dies: shown step by step, with a verdict
	deploy/tools build lab
	cargo build --locked
	deploy/demo

test: lint ## install what is needed, then run every check and test
	deploy/tools lab bgp
	tests/lab
	cargo build --workspace --locked
	cargo nextest run --workspace --locked --no-fail-fast
	$(MAKE) trial-programs
	tests/trials

lint: ## formatting, clippy, shellcheck, Python's grammar; warnings are errors
	deploy/tools build lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	shellcheck -x -P SCRIPTDIR -P . $(BASH_SCRIPTS)
	@python3 -c 'import ast, pathlib, sys; [ast.parse(pathlib.Path(name).read_text(), name) for name in sys.argv[1:]]' $(PYTHON)

fmt: ## format the code
	cargo fmt --all

deny: ## licences, sources and versions of the dependencies; advisories too where their database can be had
	@command -v cargo-deny >/dev/null || { echo "deny: installing cargo-deny from source, some minutes"; cargo install cargo-deny --locked --quiet; }
	cargo deny check bans licenses sources
	cargo deny check advisories || echo "deny: advisories not checked, or some found: see above"

bench: ## criterion benches, then takeover, throughput and leader death beside keepalived and etcd (about 30 minutes)
	deploy/tools build lab bench
	cargo bench --workspace --locked
	cargo build --release --locked -p quorumlb -p quorumlb-load
	QUORUMLB=target/release/quorumlb bench/run

p3: ## rounds of partitions and pauses at the owner, every answer on the segment checked
	deploy/tools build lab
	cargo build --locked
	deploy/lab/p3 selftest
	deploy/lab/p3 partition
	deploy/lab/p3 pause

trials: ## a running group through faults, restarts, bad input and strangers: see docs/testing.md (about 30 minutes)
	deploy/tools build lab
	cargo build --release --locked
	$(MAKE) trial-programs
	deploy/lab/trial

trial-programs: next-release
	cargo build --locked -p quorumlb-raft-store --example stranger

# In the same target folder, since only what speaks on the wire is built anew.
next-release:
	cargo build --locked --features bumped-wire-version
	cp target/debug/quorumlb target/debug/quorumlb-next
	cargo build --locked

lab: ## the leaf-spine fabric of real FRR routers, in network namespaces of its own
	deploy/tools lab
	deploy/lab/lab up

lab-status: ## what the fabric's routers know
	deploy/lab/lab status

lab-down: ## take the fabric away
	deploy/lab/lab down
