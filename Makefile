# `make run` and `make test` are all the set-up there is. See README.md.
PYTHON ?= $(shell command -v python3.11)
BIN := .venv/bin
TESTERS ?= 2
READY := .venv/.ready

.PHONY: run test lint types tests test-service slow leaderboard season clean
.DELETE_ON_ERROR:

run: $(READY)
	$(BIN)/wmeval run --model genie --suite quick

test: lint types tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

tests: $(READY)
	@echo "left out here: slow (make slow), and browser, postgres, load (make test-service)"
	$(BIN)/pytest -m "not slow and not browser and not postgres and not load" -n $(TESTERS) --dist loadfile

# needs Debian's chromium and postgresql; .ci/run installs them
test-service: $(READY)
	$(BIN)/pytest -m "(browser or postgres or load) and not slow" tests

slow: $(READY)
	$(BIN)/pytest -m slow

# the leaderboard with its first season, at http://127.0.0.1:8000
leaderboard: $(READY)
	$(BIN)/python seasons/season.py load leaderboard-data
	$(BIN)/wmeval leaderboard serve --dir leaderboard-data

season: $(READY)
	$(BIN)/python seasons/season.py make

$(READY): pyproject.toml constraints.txt
ifeq ($(PYTHON),)
	$(error wmeval needs Python 3.11 (PyBullet ships no wheels for newer ones): install it so that `python3.11` is on the PATH, or say `make PYTHON=/path/to/python3.11`)
endif
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
