# Needs Python 3.11 or newer and nothing else; the rest comes into .venv. `make` alone lists the targets.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Test processes at once. Many tests run servers of their own: more than the cores only slows them.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo up test check format bench nemesis controls lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: $(READY) ## start the stack, have an invoice and a scan of it read, show where each value stands, stop
	$(BIN)/affidavit demo

up: $(READY) ## keep the stack running, data in var/, until Ctrl-C
	$(BIN)/affidavit up

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

check: $(READY) ## lint, formatting, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) ## measure, as docs/benchmarks.md describes
	$(BIN)/python bench/api.py
	$(BIN)/python bench/jobs.py

nemesis: $(READY) ## break an installation 200 times under 2,000 jobs and judge what is left; about 30 minutes
	$(BIN)/python bench/nemesis.py --json nemesis.json
	$(BIN)/python bench/nemesis.py --recovery
	$(BIN)/python bench/controls.py

controls: $(READY) ## switch each guard off in turn and demand that a test turns red
	$(BIN)/python bench/controls.py

lock: $(READY) ## resolve the dependencies anew into uv.lock
	$(BIN)/uv lock --upgrade

clean: ## remove the environment and the caches, not the data in var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-output

$(READY): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is not. Name another: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
	  rm -rf .venv; \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(BIN)/uv sync --frozen --all-extras --inexact --quiet
	@touch $(READY)
