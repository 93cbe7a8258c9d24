# Two commands set up all they need in one reused .venv:   make demo   make test
# PYTHON=python3.12 chooses the interpreter; TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu gives the small CPU build of torch.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo/clip_tracked

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

install: $(STAMP) ## the package and its tools in .venv; nothing to do when that is done

$(STAMP): setup.py pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/install.sh
	@touch $@

demo: $(STAMP) ## segment and track demo/clip.mp4 with the embedded model
	@$(BIN)/queryinst-vis track demo/clip.mp4 --output $(DEMO).mp4 --json $(DEMO).json --overwrite
	@echo "The result: $(CURDIR)/$(DEMO).mp4 (video) and $(CURDIR)/$(DEMO).json (tracks, see docs/json_format.md)"

test: $(STAMP) ## the tests, on all cores; ARGS="-k video -x" goes to pytest
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 $(ARGS)

test-slow: $(STAMP) ## all tests, those over 30 seconds too, one after the other
	@$(BIN)/python -m pytest -m "slow or not slow" $(ARGS)

lint: $(STAMP) ## ruff (rules and format) and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP) ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove .venv and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
