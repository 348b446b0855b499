# srlab. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
PORT ?= 5000

.PHONY: help setup repro results test check format ui server bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(BIN)/.done ## make .venv and install the pinned packages (once; again after the folder was moved or copied)

# The stamp holds the folder that the environment was made in: its scripts, the package srlab and MLflow name it.
moved:
$(BIN)/.done: requirements.lock pyproject.toml $(shell pwd -P | cmp -s - $(BIN)/.done || echo moved)
	@case "$$PWD" in *[:{}$$]*) echo "error: Python's tools cannot install into $$PWD: take the signs : { } \$$ out of its name"; exit 1; esac
	@git rev-parse --git-dir > /dev/null || { echo "error: srlab runs in a clone made by git: install git, then git clone"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"error: srlab needs Python 3.11 to 3.13, {sys.executable} is {v[0]}.{v[1]}: run make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m srlab.moved
	@pwd -P > $@

repro: setup ## run the whole pipeline and print the table; PROFILE=quick|paper|smoke chooses other settings
	@python -m srlab.profile $(PROFILE)
	@srlab check > /dev/null
	@dvc repro
	@python -m srlab.show

results: setup ## score the shipped weights on Set5, Set14 and BSD100 (SRLAB_DATASETS or downloads), into results/ and docs/methods/
	@python -m srlab.results

test: setup ## all tests that need no data from outside, a whole small pipeline among them
	OMP_NUM_THREADS=1 python -m pytest -n 2

check: setup ## ruff, ruff format and pyright
	ruff check .
	ruff format --check .
	pyright

format: setup ## fix what ruff can fix
	ruff check --fix .
	ruff format .

ui: export MLFLOW_TRACKING_URI ?= sqlite:///mlflow.db
ui: setup ## browse the runs in MLflow on http://127.0.0.1:5000 (PORT=... for another)
	@python -c 'import os; from srlab.tracking.questions import run_list; print("http://127.0.0.1:$(PORT)" + run_list(os.environ["MLFLOW_TRACKING_URI"], "srlab"))'
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --port $(PORT) --workers 1 \
		--backend-store-uri $$MLFLOW_TRACKING_URI

server: setup ## MLflow for a team on http://127.0.0.1:5000, with passwords (PORT=...; docs/team.md says what it needs)
	@exec python -m srlab.team.server $(PORT)

bench: setup ## measure speed (benchmarks/), as ratios within one run
	python -m pytest benchmarks --benchmark-columns=median,iqr,rounds

lock: setup ## resolve requirements.lock again; torch brings its CUDA packages by itself where its CUDA build is installed
	uv pip compile pyproject.toml --extra dev --extra sweep --universal --python-version 3.11 -c constraints.txt \
		--no-header --no-annotate --quiet -o requirements.new
	grep -vE '^(nvidia-|cuda-|triton)' requirements.new > requirements.lock
	rm requirements.new

clean: ## remove unfinished trainings, hand runs and caches; keeps data/, models/, reports/, mlflow.db and what waits for it
	rm -rf work outputs multirun .pytest_cache .ruff_cache .hypothesis .benchmarks
