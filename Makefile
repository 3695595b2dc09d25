# Every target does its own set-up. Paths are relative, so that any checkout path works.
PYTHON3 ?= python3
PYTHON := .venv/bin/python
# Passed on to pytest: make test ARGS="tests/fsm -x"
ARGS ?=
# Tests of processes mostly wait: more workers than cores. make test WORKERS=0 runs them one by one.
WORKERS ?= 3
PYTEST := $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup run test chaos check bench wheel-test clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: .venv/.installed ## make the virtual environment .venv (again only when pyproject.toml changed)

.venv/.installed: pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed. Name it: make PYTHON3=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON3) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON3) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(PYTHON) || $(PYTHON3) -m venv .venv
	@echo "Installing into .venv (a minute or so) ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: setup ## start the example project and its playground: chat with the bot in a browser, no token needed
	$(PYTHON) manage.py migrate --verbosity 0
	@if $(PYTHON) manage.py help --commands | grep -qx demo_data; then $(PYTHON) manage.py demo_data; fi
	$(PYTHON) manage.py playground

test: setup ## run all tests on SQLite, then those marked "orm" on PostgreSQL (ARGS=... goes to pytest)
	$(PYTEST) $(ARGS)
	$(PYTHON) -m tests.services postgres -- $(PYTEST) -m orm $(ARGS)

chaos: setup ## kill, cut off and lock everything, and count what is lost: docs/guarantees.md (ARGS=--short: in two minutes)
	$(PYTHON) -m tests.chaos $(ARGS)

check: setup ## lint, format, types, migrations, system checks, translations, docs
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTHON) manage.py check --fail-level WARNING
	$(PYTHON) .ci/check_translations.py
	$(PYTHON) .ci/check_docs.py

bench: setup ## run the benchmarks
	benchmarks/run

wheel-test: setup ## build the wheel, install it into an empty project and talk to its bot
	$(PYTHON) .ci/wheel_test.py

clean: ## remove .venv, caches and the example project's database
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	rm -f *.sqlite3 *.sqlite3-journal *.sqlite3-wal *.sqlite3-shm
	find vkteams_bot example_project tests -name __pycache__ -type d -prune -exec rm -rf {} +
