PYTHON ?= python3
BIN := .venv/bin
# Checks the pages' ES modules, as static/deno.json says. It needs no network.
DENO = cd static && DENO_DIR=../.venv/deno DENO_NO_UPDATE_CHECK=1 ../$(BIN)/deno
# Processes that share the tests: more than cores, for some mostly wait (tests/sharing.py).
PROCESSES ?= 4
# More options for pytest, such as --durations=40.
PYTEST ?=

.PHONY: up test check bench lock

up: .venv/installed
	@$(BIN)/python manage.py up

test: .venv/installed-dev
	@$(BIN)/python -m pytest -n $(PROCESSES) $(PYTEST)

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(DENO) fmt --check js
	$(DENO) lint js
	$(DENO) check --quiet js
	$(BIN)/python -m tests.checking

bench: .venv/installed-dev
	@$(BIN)/python -m tests.benchmarks

# Resolves again within pyproject.toml; the files name no index.
lock: .venv/installed
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q --upgrade --no-header --no-emit-index-url --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade --no-header --no-emit-index-url --no-annotate --group dev pyproject.toml -c requirements.txt -o requirements-dev.txt

.venv/installed: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
