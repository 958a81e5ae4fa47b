# Everything runs in .venv, which is made on first use; Rust, a C linker, Python >= 3.11 and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
# Maturin finds the environment by this.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX

.PHONY: demo test bench build lint rust-test python-test wheel clean

demo: build $(VENV)/.demo
	$(BIN)/python examples/digits.py

test: lint rust-test python-test

bench: build $(VENV)/.test
	cargo bench -p rustorch-benches
	$(BIN)/python benches/side_by_side.py

# The extension, built for speed, in the environment.
build: $(VENV)/.base
	$(BIN)/maturin develop --release --quiet

lint: $(VENV)/.lint build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rust-test:
	cargo test --workspace --quiet

python-test: build $(VENV)/.test
	$(BIN)/python -m pytest -q -n 2

wheel: $(VENV)/.base
	$(BIN)/maturin build --release

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.base: $(BIN)/uv
	$(UV) "maturin>=1.16,<2" "numpy>=1.26"
	touch $@

$(VENV)/.lint: $(VENV)/.base pyproject.toml
	$(UV) --group lint
	touch $@

$(VENV)/.test: $(VENV)/.base pyproject.toml
	$(UV) --group test --group demo
	touch $@

$(VENV)/.demo: $(VENV)/.base pyproject.toml
	$(UV) --group demo
	touch $@

clean:
	cargo clean
	rm -rf $(VENV)
