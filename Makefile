# Every target calls one tool line or one small script in tools/. `make` alone lists them.
PYTHON  := .venv/bin/python
ARGS    ?=
SEEDS   ?= 200
# LANG is also the shell's locale: it counts only when given to make itself.
STUBS   := $(if $(filter command,$(firstword $(origin LANG))),$(LANG),python)
OUT     ?= build/stubs/$(STUBS)
STAMP   := .venv/.essaim-setup
CHARTED := .venv/.essaim-chart
INPUTS  := tools/setup requirements/dev.txt $(wildcard core/pyproject.toml client/pyproject.toml services/*/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup protos format check test demo testnet bench bench-large large prove fuzz simulate trials databases providers wakes unifiedpush e2e interop interop-typescript interop-go stubs baseline lock clean chart-test images dashboards observe-test pictures image-test terminal canaries capture cluster-up cluster-down deploy undeploy

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv with everything, from hash-pinned requirements

$(STAMP): $(INPUTS)
	@tools/setup $(STAMP)

protos: setup ## generate the Python stubs from protos/ into core/essaim/<area>/v1
	@$(PYTHON) tools/generate_protos.py --stamp build/protos.digest

demo: protos ## start a testnet on this machine and run the main job (ARGS=--json)
	@PYTHONPATH=tools $(PYTHON) -m demo $(ARGS)

testnet: protos ## a network to play with (ARGS="kill storage-2", status, start storage-2, down; without: up)
	@PYTHONPATH=tools $(PYTHON) -m testnet $(or $(ARGS),up)

test: protos ## every test that needs Python and a shell only (ARGS="-k name")
	@tools/test $(ARGS)

check: protos ## lint, types, import contracts, proto lint and breaking check, size budget
	@tools/check

format: setup ## format the code and mend what can be mended without thought
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

interop: protos ## the second client, written from protos/ and docs/protocol alone
	@$(PYTHON) -m pytest tests/interop --ignore tests/interop/typescript --ignore tests/interop/go $(ARGS)

interop-typescript: protos ## the same in TypeScript: builds the client, checks vectors, talks with the Python client
	@tools/interop typescript $(ARGS)

interop-go: protos ## the same in Go
	@tools/interop go $(ARGS)

bench: protos ## measure (15 minutes): build/bench.json and a table
	@$(PYTHON) tests/bench/run.py $(ARGS)

bench-large: protos ## measure with larger networks and longer runs
	@$(PYTHON) tests/bench/run.py --large $(ARGS)

large: protos ## what is too long for `make test`: the largest file, killed on both sides; a swarm that grows (3 minutes)
	@$(PYTHON) -m pytest tests/large -s --timeout 1800 -o faulthandler_timeout=0 $(ARGS)

prove: RUNS ?= 30
prove: protos ## the long proofs, those that have not passed at this commit (ARGS="--part stories", RUNS=30 of a swarm under faults); report in build/
	@ESSAIM_RUNS=$(RUNS) tools/prove $(ARGS)

fuzz: EFFORT ?= 1
fuzz: protos ## every parser of foreign bytes under atheris, EFFORT=1 million inputs each (ARGS="onion.cell --jobs 1"); report in docs/reports
	@$(PYTHON) -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/fuzz.txt </dev/null 2>/dev/null || true
	@PYTHONPATH=tests/fuzz:tests/simulation $(PYTHON) -m fuzzed run --executions $$(($(EFFORT) * 1000000)) --report $(ARGS)

simulate: protos ## simulate a swarm with many seeds (SEEDS=200)
	@ESSAIM_SEEDS=$(SEEDS) $(PYTHON) -m pytest tests/simulation --timeout 3600 $(ARGS)

trials: protos ## processes test each other: a store that cheats is expelled and replaced, a slow one is not (1 minute)
	@$(PYTHON) -m pytest tests/trials -s -o faulthandler_timeout=0 $(ARGS)

databases: EFFORT ?= 1
databases: protos ## open groups and push on SQLite and a real PostgreSQL, 2,000 members, kill -9 (EFFORT=5 for many seeds)
	@ESSAIM_EFFORT=$(EFFORT) $(PYTHON) -m pytest tests/databases --timeout 900 $(ARGS)

providers: protos ## Web Push, APNs, FCM and webhooks against receivers that are processes of their own
	@$(PYTHON) -m pytest tests/providers $(ARGS)

wakes: protos ## devices woken over the whole way, whoever dies on it, and what each side of it knows
	@$(PYTHON) -m pytest tests/wakes $(ARGS)

unifiedpush: protos ## wakes through a packaged UnifiedPush server (Debian: apt-get install prosody prosody-modules)
	@$(PYTHON) -m pytest tests/unifiedpush $(ARGS)

e2e: protos $(CHARTED) ## the whole product on Kubernetes (KUBECONFIG, or a cluster made for it by root); report in build/
	@$(PYTHON) -m pytest tests/e2e -x --timeout 1800 -o faulthandler_timeout=0 $(ARGS)

chart-test: protos $(CHARTED) ## lint, render and judge the Helm chart (ARGS="-k policy"); no cluster
	@$(PYTHON) -m pytest tests/chart $(ARGS)

terminal: protos ## people at terminals: scripted sessions of the command line and the chat view on real processes
	@$(PYTHON) -m pytest tests/terminal --timeout 300 -o faulthandler_timeout=0 $(ARGS)

canaries: protos ## known people through a whole run; nothing of them is found in what nodes leave
	@$(PYTHON) -m pytest tests/canary --timeout 300 -o faulthandler_timeout=0 $(ARGS)

capture: protos ## every node in a network namespace of its own, every packet looked at (root)
	@$(PYTHON) -m pytest tests/capture --timeout 300 -o faulthandler_timeout=0 $(ARGS)

dashboards: setup ## write the chart's Grafana dashboards and docs/operations/metrics.md anew
	@$(PYTHON) tools/metrics_table.py && PYTHONPATH=tools $(PYTHON) -m dashboards

observe-test: protos $(CHARTED) ## ask a real Prometheus over a testnet under load what rules and dashboards ask
	@$(PYTHON) -m pytest tests/observe --timeout 300 -o faulthandler_timeout=290 $(ARGS)

pictures: protos $(CHARTED) ## draw the docs' pictures of the dashboards from real data
	@$(PYTHON) -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/observe.txt </dev/null
	@PYTHONPATH=tools $(PYTHON) -m observe $(ARGS)

$(CHARTED): $(STAMP) requirements/chart.txt
	@$(PYTHON) -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/chart.txt </dev/null
	@date >$@

images: ## build the images with docker or buildah (REGISTRY= TAG= BASE= COMMIT= ARGS=relay)
	@tools/images.py $(ARGS)

stubs: setup ## stubs for a client (LANG=python|go|ts OUT=dir)
	@$(PYTHON) tools/stubs.py --lang "$(STUBS)" --out "$(OUT)"

baseline: setup ## take additions to the protos into the base of the breaking check; refuses what breaks wire v1
	@.venv/bin/buf breaking --against protos/baseline.binpb
	@.venv/bin/buf build --exclude-source-info -o protos/baseline.binpb

image-test: protos $(CHARTED) ## build all images, one of them twice, and judge them (5 minutes)
	@$(PYTHON) -m pytest tests/images --timeout 1800 -o faulthandler_timeout=0 $(ARGS)

cluster-up: setup ## a cluster on this machine: kind with a docker engine, else one node of Debian's packages (root)
	@PYTHONPATH=tools $(PYTHON) -m cluster up

cluster-down: setup ## remove it, with all that is in it
	@PYTHONPATH=tools $(PYTHON) -m cluster down

deploy: setup $(CHARTED) ## install the chart on that cluster, or on KUBECONFIG's (VALUES= REGISTRY= TAG=)
	@PYTHONPATH=tools $(PYTHON) -m deployment up

undeploy: setup ## uninstall it; volumes and the authority's keys stay
	@PYTHONPATH=tools $(PYTHON) -m deployment down

lock: setup ## renew requirements/*.txt (ARGS=--upgrade for newer versions)
	@tools/lock $(ARGS)

clean: ## remove what was made, except .venv
	@rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
