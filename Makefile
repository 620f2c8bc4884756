# Everything runs in .venv if there is one, else with what is on the PATH.
BIN ?= $(if $(wildcard .venv/bin/python),.venv/bin/,)

.DEFAULT_GOAL := help
.PHONY: help setup run check static format format-check lint types contracts sleeps test coverage \
        coverage-report bench gallery notebooks schema constraints clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## make .venv with everything that the checks need
	python3 -m venv .venv
	.venv/bin/pip install -c constraints.txt -e '.[dev]'

run:  ## run the first scenario
	$(BIN)foundation-lab run scenarios/first_run.yaml

check: static coverage  ## all checks: format, lint, types, contracts, tests with coverage

static: format-check lint types contracts sleeps  ## the checks that run no code

format:  ## lay the code out, and fix what lint can fix
	$(BIN)ruff format
	$(BIN)ruff check --fix

format-check:
	$(BIN)ruff format --check

lint:  ## ruff, with nearly all rules
	$(BIN)ruff check

types:  ## mypy --strict over the package and the tests
	$(BIN)mypy

contracts:  ## the architecture: who may import whom
	$(BIN)lint-imports --no-logo

sleeps:  ## no test sleeps: the auditor finds none
	$(BIN)foundation-lab audit-sleeps tests --max 0

test:  ## the tests
	$(BIN)pytest -n auto

coverage:  ## the tests, with branch coverage and its gate
	rm -f .coverage .coverage.*
	$(BIN)coverage run -m pytest -n auto
	@$(MAKE) --no-print-directory coverage-report

coverage-report:
	$(BIN)coverage combine --quiet
	$(BIN)coverage report

bench:  ## the benchmarks: writes benchmarks/results.md
	$(BIN)python benchmarks/report.py

gallery:  ## draw the figures of docs/gallery.md (needs chromium)
	$(BIN)python docs/gallery/draw.py

notebooks:  ## run every notebook from top to bottom
	$(BIN)pytest -m notebook

schema:  ## write the JSON Schema of scenario files, for editors
	$(BIN)foundation-lab schema > scenarios/scenario.schema.json

constraints:  ## resolve constraints.txt again (needs uv)
	$(BIN)uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade \
	    --output-file constraints.txt

clean:  ## remove what the tools leave behind
	rm -rf .coverage .coverage.* htmlcov build dist runs \
	    .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find foundation_lab tests -name __pycache__ -type d -prune -exec rm -rf {} +
