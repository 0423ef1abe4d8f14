# What a checkout needs; `make` alone lists it. Wants only make, Python 3.11 or newer and a package index.
# The tools live in .venv, which dev/environment.py makes once and renews when what is wanted changes.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs lock clean run-env dev-env

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: run-env  ## install trimtab into .venv and tune a real model
	@$(BIN)/trimtab demo

# Every step runs even when an earlier one failed; pytest comes last, so that its count closes the output.
# A file's tests stay in one process, for its fixtures; in the order of the folders, the long ones come early.
test: dev-env  ## run every check: ruff, import-linter, mypy, pytest with doctests and documentation
	@failed=; \
	$(BIN)/ruff check --quiet || failed="$$failed ruff-check"; \
	$(BIN)/ruff format --check --quiet || failed="$$failed ruff-format"; \
	$(BIN)/lint-imports --no-logo || failed="$$failed lint-imports"; \
	$(BIN)/mypy || failed="$$failed mypy"; \
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder || failed="$$failed pytest"; \
	test -z "$$failed" || { echo "make test: failed:$$failed" >&2; exit 1; }

lint: dev-env  ## run the quick checks only
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/lint-imports --no-logo && $(BIN)/mypy

format: dev-env  ## lay out the code and mend what can be mended without a decision
	@$(BIN)/ruff check --fix-only --quiet && $(BIN)/ruff format

docs: dev-env  ## write docs/reference and docs/cli.md anew from the code
	@$(BIN)/python dev/make_docs.py

lock: run-env  ## renew requirements-dev.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --extra sklearn --extra pandas --extra bench --extra papers --group dev \
		--output-file requirements-dev.lock pyproject.toml

clean:  ## remove everything that make made, the environment included
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

run-env dev-env: %-env:
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) here. Next: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) dev/environment.py $*
