# Everything a person does with this repository. `make` alone lists it.

PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8000
# Most of the time, tests wait for what must not come too early: three wait at a time.
JOBS   ?= 3
BIN    := $(abspath $(VENV))/bin
# Where a running demo-redis is found by the targets beside it.
export DEMO_STATE ?= $(CURDIR)/project/run/demo-redis
PREPARE = cd project && $(BIN)/python manage.py migrate --verbosity 0 && $(BIN)/python manage.py seed

.DEFAULT_GOAL := help
.PHONY: help demo demo-redis demo-reload demo-shell test unit lint types format check coverage matrix bench bench-short dist services clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

demo: $(VENV)/.demo ## serve the demo project on 127.0.0.1:8000 (PORT=… for another), no Redis needed
	@$(PREPARE)
	@echo
	@echo "  Open http://127.0.0.1:$(PORT)/ in two windows: a chat and a liveblog. Stop with Ctrl-C."
	@echo
	@cd project && exec $(BIN)/python manage.py runserver 127.0.0.1:$(PORT)

demo-redis: $(VENV)/.demo ## the same with a Redis, an interface server and two workers, as a site is run
	@$(PREPARE)
	@PATH="$(BIN):$$PATH" PORT=$(PORT) exec project/demo-redis

demo-reload: ## restart the workers of demo-redis while its pages are open
	@test -f "$(DEMO_STATE)" || { echo "make demo-redis is not running"; exit 1; }
	@. "$(DEMO_STATE)" && kill -HUP $$workers && echo "The workers are being replaced, one after the other"

demo-shell: ## a Django shell beside demo-redis
	@test -f "$(DEMO_STATE)" || { echo "make demo-redis is not running"; exit 1; }
	@. "$(DEMO_STATE)" && cd project && exec $(BIN)/python manage.py shell

test: services $(VENV)/.dev ## run every test, with a Redis of its own and a real Chromium (under 10 minutes)
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadscope $(ARGS)

unit: $(VENV)/.dev ## run the tests that need no service (seconds)
	$(BIN)/python -m pytest tests/unit $(ARGS)

lint: $(VENV)/.dev ## ruff, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev ## mypy (strict) and pyright
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/.dev ## rewrite the code as ruff wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint types test ## all that CI runs

coverage: services $(VENV)/.dev ## run every test with coverage and show what is missed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

matrix: services $(VENV)/.dev ## run the tests on the oldest and newest Python and Django (needs python3.10 and python3.13)
	$(BIN)/tox run $(ARGS)

bench: services $(VENV)/.dev ## measure side by side with the peers, and write benchmarks/README.md (about 20 minutes)
	$(BIN)/python -m benchmarks $(or $(ARGS),--write)

bench-short: services $(VENV)/.dev ## the same in short, without writing it down (under 5 minutes)
	$(BIN)/python -m benchmarks --short $(ARGS)

dist: $(VENV)/.dev ## build the sdist and the wheel into dist/
	$(BIN)/python -m build

clean: ## remove the environment, caches and the demo's database
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage* project/demo.sqlite3 project/staticfiles

# -- what the targets above stand on --------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3.12 …"; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing channels-classic and what it needs (about a minute the first time)"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing channels-classic with its test and lint tools (a few minutes the first time)"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --editable . --group dev
	@touch $@ $(VENV)/.demo

services:
	@deploy/install-test-services
