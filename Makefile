# Everything a developer runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

.PHONY: help tools test lint build lab lab-down lab-status bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## install what building, testing and the lab need (Debian 12, as root)
	deploy/tools build lab lint

build: ## build the binary: target/release/quorumlb
	deploy/tools build
	cargo build --release --locked

lint: ## formatting, clippy and shellcheck, with warnings as errors
	deploy/tools build lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	shellcheck deploy/tools deploy/lab/lab deploy/lab/routers.sh deploy/lab/topology.sh .ci/run tests/lab

test: lint ## install what is needed, then run every check and test
	deploy/tools lab
	tests/lab
	cargo build --workspace --locked
	cargo nextest run --workspace --locked --no-fail-fast

lab: ## the leaf-spine fabric of real FRR routers, in network namespaces of its own
	deploy/tools lab
	deploy/lab/lab up

lab-status: ## what the fabric's routers know
	deploy/lab/lab status

lab-down: ## take the fabric away
	deploy/lab/lab down

bench: ## criterion benches of the pure code
	deploy/tools build
	cargo bench --workspace --locked
