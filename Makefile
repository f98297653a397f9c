# Everything from a fresh clone: `make demo` and `make test` install what they need first, and are quick the second time.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO ?= core/row_softmax

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test lint clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 14

setup: $(INSTALLED) ## a virtual environment with everything that demo and test need

# The compiler wheels are left out where the machine has an nvcc of its own.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "kernelsearch needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 3; }
	@command -v g++ >/dev/null || { echo "the emulated device needs g++: apt-get install g++" >&2; exit 3; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python cannot make virtual environments here: apt-get install python3-venv" >&2; exit 3; }
	@extras=dev,anthropic,openai; \
	if ! command -v nvcc >/dev/null && ! test -x "$${CUDA_HOME:-/usr/local/cuda}/bin/nvcc"; then extras=$$extras,nvcc; fi; \
	echo "installing kernelsearch[$$extras] into $(VENV)"; \
	$(BIN)/pip install --quiet --editable ".[$$extras]"
	@touch $@

demo: $(INSTALLED) ## search for a faster kernel, with no GPU and no model; prints the report's path last
	@$(BIN)/optimize $(DEMO) --device emulated --llm rules --seed 1 --budget 24

test: $(INSTALLED) ## the test suite, on all cores
	$(BIN)/pytest --numprocesses auto --dist worksteal

lint: $(INSTALLED) ## ruff, mypy and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove the environment and caches; runs stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
