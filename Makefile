# `make help` lists what there is. Everything is installed into .venv, from lock files with hashes.
PYTHON ?= python3
UV ?= uv
DEMO ?= 25
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCK := $(UV) pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url \
	--no-annotate --no-header --python-version 3.11
PURE := laddvakt/domain/*,laddvakt/billing/*,detector/rules/*

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test test-servers lint check bench soak fuzz lock evaluation docs screenshots clean

help: ## list what make can do
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.run ## install Laddvakt into .venv (.venv/bin/laddvakt)

install-dev: $(VENV)/.dev ## the same, with what tests and checks need

run: install ## start everything with 25 simulated stations (DEMO=100 for more); Ctrl-C stops it
	$(BIN)/laddvakt up --demo $(DEMO)

test: install-dev test-servers ## run all tests side by side (ARGS="-n 0": one by one), with the servers they talk to
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --cov --cov-report=term $(ARGS)
	@echo "Branches of the pure packages ($(PURE)):"
	@$(BIN)/coverage report --include='$(PURE)' --fail-under=95

test-servers: ## install the servers and the browser that the tests start (Debian, Ubuntu)
	@scripts/install-test-servers

lint: install-dev ## style, types and import rules, without the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## what continuous integration runs: lint, then test
	@$(MAKE) --no-print-directory test

bench: install-dev ## run the benchmarks and print their ratios
	$(BIN)/python -m benchmarks $(ARGS)

soak: install-dev test-servers ## the long tests that `make test` leaves out, fuzzing, and half an hour of steady load
	$(BIN)/python -m pytest -m soak $(ARGS)
	@$(MAKE) --no-print-directory fuzz ARGS=
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

fuzz: install-dev ## ten million random inputs through every door (ARGS="frames --inputs 100000")
	$(BIN)/python -m tests.fuzz $(ARGS)

lock: ## resolve the dependencies anew into requirements/*.lock (needs uv)
	$(LOCK) --upgrade --output-file requirements/run.lock
	$(LOCK) --upgrade --extra dev --constraint requirements/run.lock --output-file requirements/dev.lock

evaluation: install-dev ## measure detection on ten fleets (an hour on two cores) and write docs/reference/detection.md
	$(BIN)/laddvakt evaluate --ablate --explain --json docs/reference/detection.json $(ARGS)
	$(BIN)/python -m scripts.generate_docs

docs: install-dev ## write the reference pages that come from the code
	$(BIN)/python -m scripts.generate_docs

screenshots: install-dev test-servers ## take the pictures in docs/images from a running demo
	$(BIN)/python -m scripts.screenshots $(ARGS)

clean: ## remove .venv and everything that tools left; your data stays
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Laddvakt needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }

# The stamps are newer than what they were made from, so that a second `make install` does nothing.
$(VENV)/.run: requirements/run.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement requirements/run.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	$(PIP) install --quiet --require-hashes --requirement requirements/dev.lock
	@touch $@
