# Everything happens in .venv; needed beforehand are Rust, a C linker, Python >= 3.11 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python

# One build of the extension for tests, demo and benchmarks: its speed is what they are about.
export VIRTUAL_ENV := $(abspath $(VENV))
export PYO3_PYTHON := $(BIN)/python
unexport PYTHONHOME

.PHONY: build demo test test-aarch64 bench lint clean

build: $(VENV)/.build
	$(BIN)/maturin develop --release --quiet --uv

demo: $(VENV)/.demo build
	$(BIN)/python examples/digits.py

test: lint $(VENV)/.test build
	cargo test --quiet --workspace --exclude rustorch-python
	$(BIN)/python python/generate_stubs.py --check
	$(BIN)/pytest -n 2 --quiet

# On x86-64, in an emulator: wants rustup's target aarch64-unknown-linux-gnu and, of Debian's packages,
# gcc-aarch64-linux-gnu and qemu-user. The emulator itself does not survive a fork beside running threads.
test-aarch64: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER = aarch64-linux-gnu-gcc
test-aarch64: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER = qemu-aarch64 -L /usr/aarch64-linux-gnu
test-aarch64:
	cargo test --quiet --target aarch64-unknown-linux-gnu --workspace --exclude rustorch-python --exclude rustorch-benches \
		-- --skip a_forked_child

bench: $(VENV)/.bench build
	cargo bench --package rustorch-benches
	$(BIN)/python benches/side_by_side.py --quick

lint: $(VENV)/.lint
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
	$(BIN)/mypy --no-incremental python/rustorch

$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.build: $(VENV)/bin/uv pyproject.toml
	$(UV) "maturin>=1.16,<2" numpy
	@touch $@

# The groups of pyproject.toml; torch is the oracle of tests and benchmarks alone.
$(VENV)/.test $(VENV)/.lint $(VENV)/.demo: $(VENV)/.%: $(VENV)/bin/uv pyproject.toml
	$(UV) --group $*
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(UV) jax
	@touch $@

clean:
	cargo clean
	rm -rf $(VENV)
