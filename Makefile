# The verbs of this checkout. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := .setup
UV := $(STAMP)/tools/bin/uv

.PHONY: help setup demo run test torture check bench bench-big clean format lock servers ruff mypy import-linter vue-tsc vitest

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(STAMP)/python $(STAMP)/viewer ## install what the gateway needs and build the viewer; leaves .venv/bin/gateway

demo: setup ## start the demonstration county on real sample studies and keep running
	@exec $(BIN)/gateway demo

run: setup ## start an empty gateway, everything in one process tree
	@exec $(BIN)/gateway serve

servers: | $(STAMP)/tools/bin/pip ## install the peers and servers that the tests talk to (Debian packages, as root)
	@docker/test-servers.sh

# Hundreds of times a test starts the gateway, which would compile our modules anew each time.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup servers vitest ## all tests, with real peers
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

torture: setup servers ## 200 kills a stack, every fault point, power cuts, full disks, bad stores, wrong clocks: nothing may be lost
	@$(BIN)/python -m tests.torture $(PYTEST_ARGS)

check: ruff mypy import-linter vue-tsc ## ruff, mypy, import-linter, type check of the viewer

ruff: $(STAMP)/python
	@echo "ruff";           $(BIN)/ruff check . && $(BIN)/ruff format --check .

mypy: $(STAMP)/python
	@echo "mypy";           $(BIN)/mypy

import-linter: $(STAMP)/python
	@echo "import-linter";  $(BIN)/lint-imports

vue-tsc: $(STAMP)/node
	@echo "vue-tsc";        cd viewer && npm run --silent check

vitest: $(STAMP)/node
	@echo "vitest";         cd viewer && npm run --silent test

format: setup ## put the code in its form
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup servers ## speed against dcmtk and Orthanc, printed as ratios of one run
	@$(BIN)/python -m tests.bench

bench-big: setup servers ## an instance of 4 GiB, a study of 20,000, 5,000 studies at once: time, and the memory of each process
	@$(BIN)/python -m tests.bench big

lock: ## renew the lock files from pyproject.toml
	@for extra in "" dev; do \
	  $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	    $${extra:+--extra $$extra} pyproject.toml -o requirements$${extra:+-$$extra}.lock; done

clean: ## remove what setup and the tests made; never a data folder
	@rm -rf $(VENV) $(STAMP) viewer/node_modules viewer/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Before `servers`: both may ask apt-get, which does one thing at a time.
$(STAMP)/tools/bin/pip:
	@mkdir -p $(STAMP)
	@$(PYTHON) -m venv $(STAMP)/tools > /dev/null || { docker/need-venv.sh && $(PYTHON) -m venv --clear $(STAMP)/tools; }

$(STAMP)/python: requirements-dev.lock pyproject.toml | $(STAMP)/tools/bin/pip
	@echo "Python packages …"
	@$(STAMP)/tools/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements-dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

VIEWER_SOURCES := $(shell find viewer -path viewer/node_modules -prune -o -path viewer/dist -prune -o -type f -print 2>/dev/null)

$(STAMP)/viewer: $(STAMP)/node $(VIEWER_SOURCES)
	@echo "Viewer …"
	@cd viewer && npm run --silent build
	@touch $@

$(STAMP)/node: viewer/package-lock.json
	@mkdir -p $(STAMP)
	@docker/need-node.sh
	@echo "Viewer packages …"
	@cd viewer && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
