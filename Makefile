# The front door. On a fresh machine with Python 3.11+, pip and make, `make demo` and `make test` need nothing else.

PYTHON ?= python3
BIN := .venv/bin
# pinned here, open in pyproject.toml: what the checks run with
TORCH := torch==2.13.0

.PHONY: demo test thorough label-studio screenshots docs check bench fuzz fuzz-neighbours format clean

demo: .venv/demo
	$(BIN)/proxyset demo --out demo

# one test a core, so one thread a test: two libraries that each take all cores wait for each other
test thorough: export OMP_NUM_THREADS = 1
test thorough: export OPENBLAS_NUM_THREADS = 1
# hundreds of tests start a command: where Python is told to keep no bytecode, each would compile all of it again
test thorough: export PYTHONDONTWRITEBYTECODE =
test: .venv/dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# what needs minutes a test
thorough: .venv/dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --timeout 3600 -m thorough

# a real Label Studio, 1 GB, in an environment of its own
label-studio: .venv/dev
	$(BIN)/python -m tests.e2e.label_studio
	$(BIN)/python -m pytest -m label_studio

screenshots: .venv/dev
	$(BIN)/python -m tests.e2e.screenshots docs/images --docs

docs: .venv/dev
	$(BIN)/python -m sphinx -W --keep-going -q docs build/site

check: .venv/dev docs
	$(BIN)/ruff check src lab tests examples docs/conf.py
	$(BIN)/ruff format --check src lab tests examples docs/conf.py
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_docs.py tests/test_public.py

# the tables of docs/performance.md and docs/scale.md, each anew from this commit
bench: .venv/dev
	$(BIN)/python -m pip install --quiet -e . -e 'lab[rivals]'
	$(BIN)/proxyset-lab speed --seconds 20 --docs docs/performance.md
	rm -f scale.jsonl
	$(BIN)/proxyset-lab scale --items 1000000 --items 10000000 --docs docs/scale.md

fuzz: .venv/dev
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m tests.fuzz.decoders -max_total_time=600

# a million pairs of neighbouring data sets; hours on two cores, and resumed where it was stopped
fuzz-neighbours: .venv/dev
	$(BIN)/python -m tests.fuzz.neighbours --pairs 1000000 --workers 2 --log fuzz-neighbours.log

format: .venv/dev
	$(BIN)/ruff check --fix src lab tests examples docs/conf.py
	$(BIN)/ruff format src lab tests examples docs/conf.py

clean:
	rm -rf .venv demo

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[demo]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml lab/pyproject.toml
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -e '.[all,dev]' -e lab
	touch $@
