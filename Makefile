# make demo      a real CT, measured, in demo/            (CASE=/path/to/image for your own)
# make test      the tests, but for those marked slow
# make test-all  every test
# make faults    hostile runs; their table in Docs/Robustness.md   (RUNS=500 for fewer, SEED=3 for others, LEDGER=folder to go on after a stop)
# make test-review   the review in a browser, in an environment of its own (Docs/Review.md)
# make bench     the figures of the README, as ratios in one run
# make lint      ruff

PYTHON ?= python3
# A machine without a GPU downloads far less with
#   TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
CASE ?=
OUT ?= demo
RUNS ?= 5000
JOBS ?= 2
SEED ?= 1
LEDGER ?=

VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-review test-all faults bench lint install clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable ".[cohort,pacs,radiomics,scene,test]"
	touch $@

demo: install
	$(BIN)/preop demo --out $(OUT) --overwrite $(if $(CASE),--case "$(CASE)")

PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: install
	$(BIN)/ruff check .
	$(PYTEST) -m "not slow"

test-all: install
	$(BIN)/ruff check .
	$(PYTEST)

faults: install
	$(BIN)/python -m Testing.faults --runs $(RUNS) --seed $(SEED) --jobs $(JOBS) $(if $(LEDGER),--ledger $(LEDGER)) --write Docs/Robustness.md

test-review: $(VENV)-review/.installed
	$(VENV)-review/bin/python -m pytest Testing/review

$(VENV)-review/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-review
	$(VENV)-review/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-review/bin/python -m pip install --quiet $(TORCH)
	$(VENV)-review/bin/python -m pip install --quiet --editable ".[cohort,pacs,review,test]"
	touch $@

bench: install
	$(BIN)/python -m Testing.Benchmarks

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) demo build dist *.egg-info
