# Everything that a person or CI does here. `make help` lists it.
.DEFAULT_GOAL := help
# The first of these that runs and is new enough (a shim on the path need not lead to a Python).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch
JOBS ?= 2
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-serving check format bench soak models eval-models e2e-compose lock openapi docs browser clean

help:            ## list the targets
	@grep -hE '^[a-z0-9-]+: .*##|^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 16

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; if it is not on the path: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements/serve.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/serve.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.test-serving: $(VENV)/.serve requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(VENV)/.test: $(VENV)/.test-serving requirements/train.txt requirements/torch.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/torch.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/train.txt
	@touch $@

demo: $(VENV)/.serve  ## install the embedded stack, serve it, enrol and recognise the demo pictures (ONCE=1: then stop)
	$(BIN)/python -m examples.demo $(if $(ONCE),--once)

test: $(VENV)/.test browser  ## install what all tests need and run them
	$(BIN)/python -m pytest -n $(JOBS)

test-serving: $(VENV)/.test-serving  ## the tests of the part without torch
	$(BIN)/python -m pytest -n $(JOBS) --ignore tests/training

browser:
	@command -v chromium >/dev/null || { [ "$$CI" = true ] && command -v apt-get >/dev/null && \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }; } || \
	  echo "chromium is not installed: the console's tests will be skipped"

check: $(VENV)/.test  ## format, lint, types, import contracts, docs links, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.check

format: $(VENV)/.test-serving  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.test-serving  ## make the generated documents anew (settings, command line, OpenAPI)
	$(BIN)/python -m docs.check --write

bench: $(VENV)/.test-serving  ## CPU ms of each step; photos/s and ms per stage, standalone and as three processes
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.end_to_end

soak: $(VENV)/.test-serving  ## 10,000 recognitions: memory, threads and file descriptors must stay flat
	$(BIN)/python -m benchmarks.soak --recognitions 10000

models: $(VENV)/.test  ## train, export and evaluate the shipped models anew (needs the data sets; hours on two cores)
	$(BIN)/python -m training tune --out runs/extractor
	$(BIN)/python -m training tune --unseen-fold 1 --out runs/extractor-1
	$(BIN)/python -m training tune --unseen-fold 2 --out runs/extractor-2
	$(BIN)/python -m training export --run runs/extractor --peer runs/extractor-1 --peer runs/extractor-2 \
	  --out models/extractor --version 0.2.0
	$(BIN)/python -m training picodet --out runs/detector
	$(BIN)/python -m training export-picodet --run runs/detector --out models/detector
	$(MAKE) eval-models WRITE=1

eval-models: $(VENV)/.test  ## reproduce the models' figures (needs the data sets; WRITE=1: write them into the bundles)
	$(BIN)/python -m training eval-extractor --bundle models/extractor $(if $(WRITE),--write)
	$(BIN)/python -m training eval-decisions --bundle models/extractor $(if $(WRITE),--write)
	$(BIN)/python -m training eval-picodet --bundle models/detector $(if $(WRITE),--write)

e2e-compose: $(VENV)/.serve  ## build the images, bring docker-compose.yml up, enrol and recognise through it, take it down
	$(BIN)/python -m tests.deploy.run_compose

lock: | $(BIN)/python  ## compile the pinned requirements anew
	$(BIN)/pip install --quiet uv
	sh requirements/compile.sh $(BIN)/uv

clean:           ## remove what was made here
	rm -rf $(VENV) demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis
