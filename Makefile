# Two commands do everything: `make demo` and `make test`. Each creates .venv and installs first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
EXTRAS := pipeline,postgres,demo,dev

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench ui clean

help:
	@echo "make demo    the main job on real data, end to end: windows, incidents, retraining, a report"
	@echo "make test    every test"
	@echo "make check   format, lint, types, the rule of imports"
	@echo "make bench   speed and memory, beside a bare decode of the same file"
	@echo "make ui      Prefect server, worker and deployments on this machine, until Ctrl-C"
	@echo "make clean   remove .venv, .monitoring and caches"

# The stamp is newer than both files: pip runs once, and again when one of them changes.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	            "Say which to use: make PYTHON=python3.11 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[$(EXTRAS)]'
	@# pip compiles file by file on one processor. A package may bring templates that are no Python.
	-@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/python -m examples.flights demo

# One thread a process. The many processes that tests start share compiled files.
test: $(INSTALLED)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

# Not through a shell that stays between: Ctrl-C reaches the Python that stops all it started.
ui: $(INSTALLED)
	@exec $(BIN)/python -m flows.ui

clean:
	rm -rf $(VENV) .monitoring build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
