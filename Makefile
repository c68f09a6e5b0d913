# Each target sets up what it needs and works as the first command typed in a fresh clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check notebooks clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(READY) ## train, evaluate and ask a small model, offline; says how to open its page
	$(BIN)/ratsnlp demo

test: $(READY) ## run all tests
	$(BIN)/pytest -q -n 2 --dist loadfile

check: $(READY) ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: $(READY) ## run all notebooks with a small model
	$(BIN)/pytest -q -m notebook

clean: ## remove what the other targets made
	rm -rf $(VENV) demo-model*

# constraints.txt holds the versions that were tested together; its torch is the one without CUDA where the index has it.
# torch comes first and alone: with it in place nothing later asks for another build.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ratsnlp needs Python 3.11 or newer, found " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $(READY)
