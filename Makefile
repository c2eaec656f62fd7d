# Everything a newcomer needs. `make run` and `make test` set up by themselves; nothing has to be installed first
# but git, make and Python 3.11.

SHELL := /bin/bash
PYTHON ?= python3
PYTEST_WORKERS ?= 3
# tests of one file share a process and what they start; the long files come first
PYTEST := -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
BIN := .venv/bin

.PHONY: help setup setup-run run demo test test-debian test-month check bench requirements clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z-]+:.*  ## ' Makefile | sed -E 's/^([a-z-]+):.*  ## (.*)/  make \1|\2/' | column -t -s '|'

setup:  ## make .venv with everything, tools for development included
	@PYTHON="$(PYTHON)" .ci/setup requirements-dev.txt

setup-run:
	@PYTHON="$(PYTHON)" .ci/setup requirements.txt

run: setup-run  ## run the whole system, with a sample programme where the ledger is empty
	@exec $(BIN)/clickledger up --sample

demo: setup-run  ## the same with live demo traffic
	@exec $(BIN)/clickledger up --demo

test: setup  ## run all tests on the embedded engines
	$(BIN)/python $(PYTEST)

test-debian: setup  ## run the tests that use servers on Debian's PostgreSQL 15 and Redis 7
	.ci/with-debian-servers $(BIN)/python $(PYTEST) $(wildcard tests/integration tests/end_to_end tests/faults)

test-month: setup  ## import and settle a month of 20,000 conversions
	CLICKLEDGER_TEST_MONTH=20000 $(BIN)/python -m pytest -n 0 tests/end_to_end/test_month.py

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## measure everything beside its baselines; results and charts in bench/results
	$(BIN)/python -m bench

requirements: setup  ## pin the requirements anew
	$(BIN)/uv pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-header -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-header --extra bench --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml
	echo uv | $(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header -o requirements-uv.txt -

clean:  ## remove what can be made again (never a data directory)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
