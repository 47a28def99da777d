# Everything from one place: `make demo` shows it, `make test` checks it. Set-up is part of both.

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := uv==0.13.8
COMPILE := $(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-find-links --universal --python-version 3.11 --generate-hashes
# Tests wait more than they compute: twice as many processes as the two cores they are meant for.
PYTEST_ARGS ?= -n 3 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-long lint format docs lock clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 18

setup: $(READY) ## The virtual environment, from the lock

demo: $(READY) ## A sandbox platform, the service and its live view
	@exec $(BIN)/synthetics demo

run: $(READY) ## The service, with the settings of synthetics.toml and the environment
	@exec $(BIN)/synthetics serve

test: $(READY) lint ## Everything that must hold: lint, types, import contracts, tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-long: $(READY) ## Whole families of probes against sandboxes, beyond what make test has time for
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

lint: $(READY) ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## The pages that are written from the code
	$(BIN)/python -m synthetics.commands.docs
	$(BIN)/python -m deploy.grafana

lock: $(READY) ## Pin every dependency again, with hashes (needs an index)
	$(BIN)/pip install --quiet '$(UV)'
	$(COMPILE) --all-extras pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraints requirements.lock pyproject.toml --output-file requirements-runtime.lock

clean: ## Remove what was made here; databases and sandboxes of .state too
	rm -rf $(VENV) .state .sandbox build dist artefacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml .ci/setup
	@VENV=$(VENV) .ci/setup
	@touch $@
