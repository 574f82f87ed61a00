# Everything a newcomer, a developer and CI do here. `make` alone lists it.
# The first run of a target installs what it needs into .venv; later runs only look at the stamps in there.

PYTHON ?= python3
VENV   ?= .venv
FLAGS  ?=

BIN     := $(VENV)/bin
PY      := $(BIN)/python
PIP     := $(PY) -m pip --disable-pip-version-check --quiet
# The plugin turns a skipped test into a failed one: what cannot run must say so.
PYTEST  := $(PY) -m pytest -p tests.no_skips
# Much of a test is waiting for a process or a clock. What measures time is marked `alone` and runs afterwards.
SPREAD  := -n 4
CLIENTS := tests/clients
# They alone reach every branch of the protocol; following branches slows the rest down for nothing.
RULES   := $(wildcard tests/test_protocol_*.py tests/test_extensions*.py)
SOURCES := tusserver tests static/assets.py build_backend.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two installations into one environment at a time would spoil it, and nothing here gains from `-j`.
.NOTPARALLEL:

.PHONY: help run test test-all test-exhaustive lint types tests engines bench format assets docs build clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sort | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

run: $(VENV)/.runtime assets ## start the server on http://127.0.0.1:5000 (FLAGS="--port 8080" for more)
	@exec $(PY) -m tusserver serve $(FLAGS)

test: lint types tests ## everything that needs only Python: what must be green before a commit

test-all: engines $(VENV)/.dev assets $(CLIENTS)/node_modules/.package-lock.json ## the rest: browsers, Node, nginx, clamd, curl, the package
	$(PYTEST) -m engines

test-exhaustive: $(VENV)/.dev ## what takes minutes and finds little more: every ordering of two protocols on one upload
	$(PYTEST) -m exhaustive

bench: $(VENV)/.dev ## speed beside tusd and the limit of the machine (Go, a C compiler); FLAGS="--rounds 1 --scale 0.25" for less
	$(PY) -m tests.benchmarks $(FLAGS)

lint: $(VENV)/.dev ## ruff, shellcheck and hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck .ci/run
	$(BIN)/hadolint docker/Dockerfile

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy $(SOURCES)

tests: $(VENV)/.dev assets ## pytest, with every branch of the protocol's rules covered
	$(PYTEST) $(RULES) --cov $(SPREAD)
	$(PYTEST) -m "not engines and not alone and not exhaustive" $(RULES:%=--ignore=%) $(SPREAD)
	$(PYTEST) -m alone

format: $(VENV)/.dev ## put the code in its one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

assets: $(VENV)/.runtime ## the page's libraries, pinned by static/package-lock.json
	@$(PY) static/assets.py

docs: $(VENV)/.runtime ## write docs/settings.md and docs/requirements.md anew
	$(PY) -m tusserver settings --markdown > docs/.made && mv docs/.made docs/settings.md
	$(PY) -m tusserver.check --table > docs/.made && mv docs/.made docs/requirements.md

build: $(VENV)/.dev ## sdist and wheel in dist/, with the page inside
	$(PY) -m build

clean: ## remove what was made, but not uploads/ and not .venv
	rm -rf build dist *.egg-info static/vendor $(CLIENTS)/node_modules htmlcov .coverage .coverage.*
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tusserver needs Python 3.11 or newer as $(PYTHON); name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made setup.cfg pyproject.toml build_backend.py
	@$(PIP) install -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made setup.cfg pyproject.toml build_backend.py
	@$(PIP) install -e '.[dev]'
	@touch $(VENV)/.runtime $@

$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package-lock.json
	cd $(CLIENTS) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

engines: ## say which of the programs that `make test-all` needs are missing
	@missing=""; \
	for tool in curl nginx clamd node npm unzip 7z; do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	test -x "$${CHROMIUM:-/usr/bin/chromium}" || missing="$$missing chromium"; \
	if [ -n "$$missing" ]; then \
	  echo "make test-all needs programs that are not here:$$missing"; \
	  echo "on Debian and Ubuntu: apt-get install$$(echo "$$missing" | sed 's/ node\b/ nodejs/; s/ clamd\b/ clamav-daemon/; s/ 7z\b/ p7zip-full/')"; \
	  exit 1; fi; \
	node -e 'process.exit(+(parseInt(process.versions.node) < 20))' || { \
	  echo "make test-all needs Node 20 or newer; this is $$(node --version)"; exit 1; }
