# Everything a checkout can do. `make` alone lists it.
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.headgate-ready
# The fast tier runs in this many processes; more than the cores only makes timing tests lie.
JOBS  ?= 2
ARGS  ?=
# What `make bench-prefect` compares with, and where it is installed.
PREFECT      := 3.9.1
PREFECT_VENV := .venv-prefect
# Every flow is a fresh process: without bytecode (PYTHONDONTWRITEBYTECODE is set in many containers) each would compile anew.
COMPILE = $(BIN)/python -m compileall -q orchestrator agent queues

.DEFAULT_GOAL := help
.PHONY: help set-up run test test-all check format bench bench-prefect chaos chaos-protocol chaos-long prove clean

help: ## show this list
	@printf 'Headgate: what make can do here\n\n'
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 23
	@printf '\nARGS=… is passed on to run, test, test-all, bench, chaos… and prove.\n'

set-up: $(STAMP) ## make the environment in .venv (once; the other targets do it for you)

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml deploy/checkout/set_up.sh
	@deploy/checkout/set_up.sh $(VENV) $(STAMP)

run: $(STAMP) ## the whole of Headgate on this machine, with the taxi example; Ctrl-C ends it
	@$(COMPILE)
	@exec $(BIN)/python deploy/examples/run.py $(ARGS)

test: $(STAMP) ## the fast tests (at most 6 minutes on 2 cores)
	@$(COMPILE)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q -m "not slow" $(ARGS)

test-all: $(STAMP) ## every test, the slow ones included
	@$(COMPILE)
	@COLD_COMMANDS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q $(ARGS)

check: $(STAMP) ## format, lint, types, floors and the other house rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/rules

format: $(STAMP) ## write the format, and the fixes that are safe
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(STAMP) ## measure beside bare loops and stock rq, and write docs/benchmarks.md (about 6 minutes)
	@$(COMPILE)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-prefect: $(STAMP) ## the same flows on Prefect 3, in an environment of its own (needs a package index; about 10 minutes)
	@test -x $(PREFECT_VENV)/bin/prefect || { \
	  $(BIN)/python -m venv $(PREFECT_VENV) && $(PREFECT_VENV)/bin/python -m pip install --quiet prefect==$(PREFECT); \
	} || { rm -rf $(PREFECT_VENV); echo "prefect==$(PREFECT) could not be installed: nothing was measured" >&2; exit 3; }
	@$(PREFECT_VENV)/bin/python -m tests.benchmarks.prefect_bench

chaos: $(STAMP) ## real processes under faults for 2 minutes; prints its seed and a table (ARGS="--seed 7" repeats one)
	@$(COMPILE)
	@$(BIN)/python -m tests.chaos.real $(ARGS)

chaos-protocol: $(STAMP) ## the protocol alone under faults: 10,000 runs, 500 kills, in 90 s
	@$(COMPILE)
	@$(BIN)/python -m tests.chaos n01 $(ARGS)

chaos-long: $(STAMP) ## real processes under faults for an hour
	@$(COMPILE)
	@$(BIN)/python -m tests.chaos.real --long $(ARGS)

prove: $(STAMP) ## measure the targets of docs/guarantees.md (ARGS="n05 n13" chooses; all of them take long)
	@$(COMPILE)
	@$(BIN)/python -m tests.chaos $(or $(ARGS),all)

clean: ## remove the environment and caches (not .headgate, where the data of `make run` stands)
	@rm -rf $(VENV) $(PREFECT_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
