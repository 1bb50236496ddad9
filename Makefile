# Two commands: `make demo` scans the bundled event, `make test` runs everything that has to pass.
# Both set up .venv when it is missing or older than pyproject.toml.

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test docs bench mutants lock clean

help:
	@echo "make demo       scan the bundled event (sets itself up)"
	@echo "make test       run all checks and tests (sets itself up)"
	@echo "make docs       build the documentation into docs/_build (sets itself up)"
	@echo "make bench      measure again what docs/benchmarks.md says, an hour (needs ../shared/data)"
	@echo "make mutants    put faults into model/ and scan/plan.py, each of which a test has to notice, an hour"
	@echo "make lock       take the newest versions of all that skymist needs into requirements.lock"
	@echo "make clean      remove what the others made"

demo: .venv/core
	@$(BIN)/skymist demo --out scans/demo

# Two files of tests at once: half of them wait for servers, and with more at once servers get too slow.
test: .venv/dev
	@echo "--- style";  $(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet && echo ok
	@echo "--- types";  $(BIN)/mypy
	@echo "--- layers"; $(BIN)/lint-imports
	@echo "--- tests";  $(BIN)/pytest -q --numprocesses 2 --dist loadfile

docs: .venv/dev
	@$(BIN)/sphinx-build --quiet --fail-on-warning --nitpicky --keep-going -b html docs docs/_build
	@echo docs/_build/index.html

BENCHMARKS = $(filter-out %/measured.py %/figures.py %/report.py,$(wildcard benchmarks/*.py))
bench: .venv/dev
	@for script in $(BENCHMARKS); do echo "--- $$script"; $(BIN)/python $$script || exit 1; done
	@$(BIN)/python benchmarks/report.py

# mutmut wants other versions than the lock has, so it has an environment of its own.
mutants: .venv/uv
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv/mutants
	@$(BIN)/uv pip install --quiet --compile-bytecode --python .venv/mutants/bin/python --editable '.[dev]' mutmut==3.8.1
	@ln -sfn ../shared shared  # the tests run one folder deeper
	@PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTEST_TIMEOUT=30 OMP_NUM_THREADS=1 .venv/mutants/bin/mutmut run
	@.venv/mutants/bin/python tools/mutants.py

lock: .venv/uv
	@$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --all-extras --no-annotate \
	    --no-header --output-file requirements.lock

clean:
	rm -rf .venv mutants shared scans docs/_build docs/tutorials/notebooks .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "skymist needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

# Bytecode is made here: where Python may not write it later, every start would take twice as long.
INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable

.venv/core: .venv/uv pyproject.toml
	@$(INSTALL) .
	@$(BIN)/python -m compileall -q skymist
	@touch $@

# The same versions for everybody who works on it, and in CI; who installs skymist takes what pyproject.toml allows.
.venv/dev: .venv/uv pyproject.toml requirements.lock tests/plugin/pyproject.toml
	@$(INSTALL) '.[dev,servers]' --editable tests/plugin --constraint requirements.lock
	@$(BIN)/python -m compileall -q skymist
	@touch $@ .venv/core
