# Every target sets up what it needs: a virtual environment in .venv with the tested
# versions. Nothing but Python >= 3.11 and make has to be there before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo_output

.PHONY: demo test lint docs benchmarks clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

demo: export MPLBACKEND = agg
demo: $(READY)
	mkdir -p $(DEMO)
	$(BIN)/python examples/plot_quick_start.py synthetic $(DEMO)
ifdef SKLEARN_AUDIO_DATA
	$(BIN)/python examples/plot_quick_start.py digits $(DEMO)
	$(BIN)/python examples/plot_quick_start.py commands $(DEMO)
endif
	@echo "The pictures are in $(DEMO)/"

test: $(READY)
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/numpydoc lint --config docs $$(find sklearn_audio -name '*.py')

docs: $(READY)
	rm -rf docs/_build docs/generated docs/auto_examples
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

benchmarks: $(READY)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) $(DEMO) build docs/_build docs/generated docs/auto_examples
	find . -name __pycache__ -not -path './$(VENV)/*' -exec rm -rf {} +
