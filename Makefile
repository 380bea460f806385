# Each target sets itself up: a fresh clone needs only Python (3.10 to 3.13), pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test screenshots bench maps soak ablation lint format clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile
	@echo 'Another Python: make clean, then make test PYTHON=python3.12'

demo: $(INSTALLED) ## register the breathing phantom and leave the results in demo-output/
	$(BIN)/nephi demo --output demo-output

test: lint ## check the style, then run every test
	$(BIN)/python -m pytest

screenshots: $(INSTALLED) ## draw the pictures of the Slicer module into docs/images; needs Mesa's EGL
	$(BIN)/python NePhiRegistration/Testing/Python/screenshots.py docs/images

bench: $(INSTALLED) ## measure time, memory and accuracy, peers too; ARGS='--help' says what can be chosen
	$(BIN)/python -m benchmarks $(ARGS)

maps: $(INSTALLED) ## check the lung function maps on a diseased phantom, for docs/lung_function.md
	$(BIN)/python -m benchmarks.lung_function $(ARGS)

soak: $(INSTALLED) ## attack it with spoilt files and faults, thousands of each; ARGS='--help' says what can be chosen
	$(BIN)/python -m benchmarks.soak $(ARGS)

ablation: $(INSTALLED) ## measure what each part of the method is worth; hours, in stretches; ARGS='--help'
	$(BIN)/python -m benchmarks.ablation $(ARGS)

lint: $(INSTALLED) ## check style, imports and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## put the code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment, caches, builds and demo output
	rm -rf $(VENV) build dist demo-output .pytest_cache .hypothesis *.egg-info
	find . \( -name __pycache__ -o -name .ruff_cache \) -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[plot,test]'
	touch $@
