# `make run` and `make test` are all the set-up there is. See README.md.
PYTHON ?= $(shell command -v python3.11)
BIN := .venv/bin
TESTERS ?= 2
READY := .venv/.ready

.PHONY: run test lint types tests slow clean
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
	$(BIN)/pytest -m "not slow" -n $(TESTERS) --dist loadfile

slow: $(READY)
	$(BIN)/pytest -m slow

$(READY): pyproject.toml constraints.txt
ifeq ($(PYTHON),)
	$(error wmeval needs Python 3.11 (PyBullet ships no wheels for newer ones): install it so that `python3.11` is on the PATH, or say `make PYTHON=/path/to/python3.11`)
endif
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
