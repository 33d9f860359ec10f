# Needs Python 3.11 or later. What it installs goes into .venv, except for what `test-servers`
# and a Python without venv need from apt or Homebrew.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; \
	done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -n)
APT := $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get -qq
LOCK := .cache/lock

.NOTPARALLEL:
.PHONY: help serve worker test test-faults soak torture test-servers check format lock clean \
	bench bench-store bench-read bench-audit bench-feed

help: ## Print this
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F': ' '{ printf "make %-14s %s\n", $$1, $$2 }'

serve: .venv/runtime ## Run the shop on this machine, with demonstration data; prints its address
	@$(BIN)/mechanic-shop serve

worker: .venv/runtime ## Run a background worker (with DATABASE_URL and REDIS_URL)
	@$(BIN)/mechanic-shop worker

test: .venv/dev test-servers ## Run every test but those of test-faults, on SQLite, MariaDB and Valkey
	$(BIN)/pytest -n auto --dist worksteal --ignore=tests/faults

test-faults: .venv/dev test-servers ## Strike the running service in every place, under load; prints a table
	$(BIN)/pytest -q tests/faults

soak: .venv/dev test-servers ## Use the running service for SOAK_MINUTES (10), to see whether anything grows, lags or fails
	$(BIN)/pytest -q -s tests/faults/soak.py

torture: .venv/dev test-servers ## Run the tests that seek longer the longer one lets them, for minutes
	TORTURE_EVENTS=$${TORTURE_EVENTS:-50000} TORTURE_EXAMPLES=$${TORTURE_EXAMPLES:-500} \
	TORTURE_KILLS=$${TORTURE_KILLS:-200} \
	$(BIN)/pytest -n 2 tests/infrastructure/event_store/test_torture.py \
		tests/commands/test_store_machine.py tests/commands/test_contention.py \
		tests/projections/test_kills.py tests/projections/test_rebuild.py \
		tests/contract/test_every_operation.py
	TAMPERINGS=$${TAMPERINGS:-2000} \
	$(BIN)/pytest -n 2 tests/infrastructure/transparency/test_tampering.py
	TORTURE_KILLS=$${TORTURE_KILLS:-100} $(BIN)/pytest -n 2 tests/examples

test-servers: ## Install MariaDB, curl and redis-cli for the tests where they are missing
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	have() { command -v "$$1" >/dev/null; }; \
	lacking=; \
	{ have mariadbd || have mysqld; } && { have mariadb || have mysql; } || \
		lacking='mariadb-server-core mariadb-client-core'; \
	have curl || lacking="$$lacking curl"; \
	have redis-cli || lacking="$$lacking redis-tools"; \
	test -z "$$lacking" || \
	if have apt-get; then \
		$(APT) update && $(APT) install --no-install-recommends $$lacking >/dev/null; \
	elif have brew; then brew install --quiet mariadb redis curl; else false; fi || \
	echo "!!! these could not be installed, their tests will not run: $$lacking !!!" >&2

check: .venv/dev ## Format, lint, types, import contracts, tidiness, completeness of the docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_architecture.py tests/test_tidy.py \
		tests/test_docs_complete.py tests/test_docs_guarantees.py

bench: .venv/dev test-servers ## Measure everything, on MariaDB or TEST_MYSQLD; see benchmarks/results.md
	$(BIN)/python -m benchmarks

bench-store: .venv/dev test-servers ## Measure the event store, on MariaDB or TEST_MYSQLD
	$(BIN)/python -m benchmarks.store

bench-read: .venv/dev test-servers ## Measure HTTP beside the same shop on Flask, on MariaDB or TEST_MYSQLD
	$(BIN)/python -m benchmarks.read

bench-audit: .venv/dev test-servers ## Measure the transparency log, on MariaDB or TEST_MYSQLD
	$(BIN)/python -m benchmarks.audit

bench-feed: .venv/dev test-servers ## Measure the event feed over HTTP, on SQLite and MariaDB or TEST_MYSQLD
	$(BIN)/python -m benchmarks.feed

format: .venv/dev ## Format, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Renew requirements.lock and requirements-dev.lock
	rm -rf $(LOCK) uv.lock
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/pip install --quiet --disable-pip-version-check uv
	$(LOCK)/bin/uv export $(EXPORT) --no-default-groups --group build --output-file requirements.lock
	$(LOCK)/bin/uv export $(EXPORT) --all-groups --output-file requirements-dev.lock
	rm -rf $(LOCK) uv.lock

EXPORT := --quiet --python $(PYTHON) --format requirements-txt --no-emit-project --no-header

clean: ## Remove what was installed and cached; the shop's data in var/ stays
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/runtime: .venv/pyvenv.cfg requirements.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/pyvenv.cfg requirements-dev.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Debian keeps ensurepip in a package of its own.
.venv/pyvenv.cfg:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or later is needed' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		$(APT) update && $(APT) install --no-install-recommends python$$version-venv >/dev/null; \
	} || { echo 'Python needs its venv module: install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
