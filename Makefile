# Each target sets itself up: a fresh clone needs only Python (3.10 to 3.13), pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALLED := $(VENV)/.installed
MODULE := NePhiRegistration
WITHOUT_TWINS := $(MODULE)/NePhiBatch $(MODULE)/NePhiCore $(MODULE)/NePhiRegistrationLib benchmarks offline_kit training
BOUNDARIES := $(addprefix $(MODULE)/Testing/Python/core/test_,architecture.py import_graph.py)

.DEFAULT_GOAL := help
.PHONY: help demo test screenshots bench maps soak load audit equivariance ablation docs kit check format clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile
	@echo 'Another Python: make clean, then make test PYTHON=python3.12'

demo: $(INSTALLED) ## register the breathing phantom and leave the results in demo-output/
	$(BIN)/nephi demo --output demo-output

test: $(INSTALLED) ## run every test, a process for each core and each file in one of them
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

screenshots: $(INSTALLED) ## draw the pictures of the Slicer module into docs/images; needs Mesa's EGL
	$(BIN)/python NePhiRegistration/Testing/Python/screenshots.py docs/images

bench: $(INSTALLED) ## measure time, memory and accuracy, peers too; ARGS='--help' says what can be chosen
	$(BIN)/python -m benchmarks $(ARGS)

maps: $(INSTALLED) ## check the lung function maps on a diseased phantom, for docs/lung_function.md
	$(BIN)/python -m benchmarks.lung_function $(ARGS)

soak: $(INSTALLED) ## attack it with spoilt files and faults, thousands of each, then make load; ARGS='--help' for a part
	$(BIN)/python -m benchmarks.soak $(ARGS)
	$(if $(ARGS),,$(MAKE) load)

load: $(INSTALLED) ## register 500 times in one process, then work at the panel for 60 rounds: nothing may grow
	$(BIN)/python -m benchmarks.soak.load
	$(BIN)/python -m benchmarks.soak.window

audit: $(INSTALLED) ## compare the installed packages with the public lists of known faults; needs the network
	$(BIN)/python .ci/audit.py

equivariance: $(INSTALLED) ## move a pair, and see up to where its map moves with it; half an hour; ARGS='--help'
	$(BIN)/python -m benchmarks.equivariance $(ARGS)

ablation: $(INSTALLED) ## measure what each part of the method is worth; hours, in stretches; ARGS='--help'
	$(BIN)/python -m benchmarks.ablation $(ARGS)

docs: $(INSTALLED) ## make the reference of the Python packages, api-reference/index.html
	$(BIN)/python docs/api_reference.py api-reference

kit: $(INSTALLED) ## everything to install without a network, in dist/; ARGS='--help'
	$(BIN)/python -m offline_kit $(ARGS)

check: $(INSTALLED) ## check format, style, boundaries, types, spelling, dead code and duplicates, in half a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/vulture
	$(BIN)/pylint $(WITHOUT_TWINS)
	$(BIN)/python -m pytest --quiet $(BOUNDARIES)

format: $(INSTALLED) ## put the code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment, caches, builds and demo output
	rm -rf $(VENV) build dist demo-output api-reference .pytest_cache .mypy_cache .hypothesis *.egg-info
	find . \( -name __pycache__ -o -name .ruff_cache \) -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[plot,test]'
	touch $@
