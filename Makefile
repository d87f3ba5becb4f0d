# Two commands: `make research` runs the lab on twenty years of real bars, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?=

.PHONY: setup setup-test research test bench lint lock clean

setup: $(VENV)/.ready
setup-test: $(VENV)/.ready-test

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "NullAlpha needs Python 3.11, 3.12 or 3.13: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing from requirements.lock (once; a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m nullalpha.app.warmup
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready requirements-test.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.lock
	@touch $@

research: setup
	@$(BIN)/nullalpha research run $(if $(HOME_DIR),--home $(HOME_DIR)) $(ARGS)

test: setup-test
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

bench: setup-test
	@for program in data features backtest training experiment; do \
		echo "benchmarks/$$program.py"; $(BIN)/python benchmarks/$$program.py $(ARGS) || exit 1; done

lint: setup-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Resolve again from pyproject, keeping versions that still fit; needs `pip install uv`. GPU wheels are torch's own matter.
NO_GPU := $(foreach p,cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime \
	nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
	nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton,--no-emit-package $(p))
lock:
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 $(NO_GPU) --no-annotate --no-header -q -o requirements-test.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 $(NO_GPU) --no-annotate --no-header -q -c requirements-test.lock -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
