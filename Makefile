# Two commands do everything: `make demo` and `make test`. Each sets up what it needs; a second run starts at once.
#   make demo                      train, judge and report on synthetic candles with a planted edge
#   make demo DATA=<folder>        the same on real candles (one Parquet file per symbol)
#   make test | test-all           the fast suite | everything
#   make lint types bench verify   the other checks

SHELL := /bin/bash
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then command -v $$p; break; fi; done)

export HURACAN_HOME ?= $(CURDIR)/.huracan
export OMP_NUM_THREADS ?= 1

INSTALLED := $(VENV)/.installed
WARM := $(HURACAN_HOME)/.warm

.PHONY: setup demo test test-all lint types bench verify clean
.DELETE_ON_ERROR:

setup: $(WARM)

$(INSTALLED): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then echo "make: Python 3.11 or 3.12 is needed and was not found; install it or pass PYTHON=<path>" >&2; exit 2; fi
	@echo "setting up $(notdir $(VENV)) with $$($(PYTHON) --version)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip setuptools wheel
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

$(WARM): $(INSTALLED) $(shell find huracan/features huracan/patterns huracan/trading huracan/baselines huracan/env -name '*.py')
	@mkdir -p $(HURACAN_HOME)
	@$(BIN)/python -m huracan.env.warm
	@touch $@

demo: $(WARM)
	@$(BIN)/huracan --config configs/demo.yaml demo $(if $(DATA),--data '$(DATA)')

test: $(WARM)
	@$(BIN)/python -m pytest

test-all: $(WARM)
	@$(BIN)/python -m pytest -m 'slow or not slow' --timeout=1800

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(INSTALLED)
	@$(BIN)/mypy

bench: $(WARM)
	@$(BIN)/python -m tests.bench --out build/bench.json

verify: $(WARM)
	@$(BIN)/huracan verify

clean:
	@rm -rf build .huracan .pytest_cache .mypy_cache .ruff_cache
