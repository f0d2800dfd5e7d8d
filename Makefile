# make demo    install, train on handwritten digits, record, write the report
# make test    install, run the test suite       make test-slow   the tests that take minutes
# make lint    check style                       make bench       print the benchmarks

PYTHON ?= python3
BIN := .venv/bin
DEMO := results/demo
# Two processes share the tests, each with one thread.
PARALLEL := --numprocesses 2 --dist worksteal

.PHONY: demo test test-slow lint bench clean

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test,dev]"
	touch $@

demo: .venv/ready
	mkdir -p $(DEMO)
	$(BIN)/python -m ephys_snn.train --data digits --hidden 100 100 100 100 --out $(DEMO)/digits.pt
	$(BIN)/python -m ephys_snn.record $(DEMO)/digits.pt $(DEMO)/digits.nix
	$(BIN)/python -m ephys_snn.record $(DEMO)/digits.pt $(DEMO)/untrained.nix --untrained
	$(BIN)/python -m ephys_snn report $(DEMO)/digits.nix --compare $(DEMO)/untrained.nix --out $(DEMO)
	@echo; echo "The figures:"; ls $(CURDIR)/$(DEMO)/*.png
	@echo; echo "The report, to open in a browser:"; ls $(CURDIR)/$(DEMO)/report.html

test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

test-slow: .venv/ready
	$(BIN)/python -m pip install --quiet --editable ".[study]"
	$(BIN)/python -m pytest -m slow

lint: .venv/ready
	$(BIN)/ruff check .

bench: .venv/ready
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/reading.py

clean:
	rm -rf .venv results build *.egg-info
