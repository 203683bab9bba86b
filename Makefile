# Everything here works on a machine with Python 3.11, pip and a compiler.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MAIN := $(VENV)/.main
READY := $(VENV)/.ready
PIP := $(BIN)/pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: reproduce test slow long docs lint types browser sanitize attack chaos fuzz gpu-check benchmark picture references \
	evidence lock mutants wrong-lines clean

reproduce: $(MAIN)  ## train every trial of the quick preset and write runs/quick/report/index.html
	$(BIN)/separatrix reproduce --preset quick

test: $(READY)  ## the whole test suite but the browser tests and those of minutes
	$(BIN)/pytest -n auto -m "not browser and not slow and not long"

slow: $(READY)  ## the tests of minutes: every family compiled, engines on a cluster
	$(BIN)/pytest -n auto -m slow

long: $(READY)  ## the tests of many minutes: a million inputs a construction, every string, models trained to copy
	$(BIN)/pytest -n auto -m long

docs: $(READY)  ## the manual into build/manual, warnings as errors; opens from disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

browser: $(READY)  ## needs chromium
	$(BIN)/pytest -n auto tests/browser

sanitize: $(READY)  ## every kernel of every instruction set, with addresses and undefined behaviour checked
	$(BIN)/python tests/ops/sanitized.py

chaos: $(READY)  ## kill, damage and resume a sweep at 200 points, about an hour, resumable: the same bits, or it says so
	$(BIN)/python tests/endurance/chaos build/chaos

fuzz: $(READY)  ## a million mutations of what readers read: one-line errors only
	$(BIN)/python tests/endurance/fuzz

gpu-check: $(READY)  ## on a machine with a GPU: forms agree, a trial per family, time per step; at most ten minutes
	$(BIN)/python benchmarks/gpu_check.py

benchmark: $(READY)  ## every benchmark beside its peers, into build/benchmarks/; an hour and more on two cores
	$(PIP) "separatrix[peers]"
	$(BIN)/python benchmarks/everything.py

attack: $(READY)  ## a hundred thousand mutants of certified weights; every one accepted is asked; resumable (runs/attack.jsonl)
	OMP_NUM_THREADS=1 $(BIN)/python tests/attack/run.py

mutants: $(READY)  ## alter one line at a time of what is taken on trust: a test has to notice; a sample of each room, hours, resumable
	$(PIP) "separatrix[mutants]"
	$(BIN)/python tests/mutation/run.py

picture: $(MAIN)  ## the picture of README and manual anew, from the quick preset: minutes, resumable
	$(BIN)/separatrix reproduce --preset quick
	cp runs/quick/report/memory-wall.png runs/quick/report/memory-wall.svg docs/images/

wrong-lines: $(READY)  ## break each line that would bend a report unnoticed, one at a time: a test has to fail; ten minutes
	$(BIN)/python tests/mutation/wrong_lines.py

references: $(MAIN)  ## the built-in families' reference cards anew: hours on two cores, resumable
	$(BIN)/python -m separatrix.experiments.card.reference

evidence: $(MAIN)  ## the map's certificates anew: every construction built, saved and verified, in a minute
	$(BIN)/python -m separatrix.experiments.map.renew

lock: $(READY)  ## requirements.lock anew: every dependency of every platform with its hashes
	$(PIP) uv
	$(BIN)/uv pip compile pyproject.toml -q --universal --python-version 3.11.7 -c constraints.txt --extra dev \
		--generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock

$(MAIN): pyproject.toml constraints.txt $(wildcard CMakeLists.txt native/*)  # the package and what it computes with
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(READY): $(MAIN)  # what its tests and checks need besides
	$(PIP) "separatrix[dev]"
	touch $@

clean:
	rm -rf $(VENV) build
