# Every target sets up what it needs; nothing has to be installed by hand first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
# One more than two cores: some tests wait for a clock on the wall, and others run meanwhile.
JOBS ?= 3

.PHONY: setup demo run test slow conformance check format interop staples fuzz fuzz-din arm bench mutants deletion pki docs clean

setup: $(DEV)

# What runs: the stack and its two run-time dependencies.
$(READY): pyproject.toml setup.py tools/setup.sh
	tools/setup.sh $(PYTHON) $(VENV)
	touch $@

# What develops: tests, types, style.
$(DEV): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps iso15118==0.31.2 || { \
	    echo "setup: iso15118 is not installed; the tests that compare our declarations with its XSD files are skipped"; test -z "$$CI"; }
	touch $@

demo: $(READY)
	$(BIN)/python -m tools.demo $(DEMO)

run: $(READY)
	$(BIN)/python -m secc run $(RUN)

pki: $(READY)
	$(BIN)/python -m tools.pki make var/pki --replace $(PKI)

# Byte code is kept even where the environment says otherwise: else each worker rewrites the asserts of all tests anew, and each station that a test starts
# compiles what it imports. The tests of a file stay together, so that what its fixtures build is built once.
test: $(DEV)
	@echo "tests: about five minutes on two free cores, longer on busy ones"
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not live and not slow' $(TEST)

# What takes longest of the tests: copies of the repository, the bench, demos in real time. About two minutes on two free cores.
slow: $(DEV)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'slow and not live' $(TEST)

# The rows of tests/conformance.toml, one by one; about a minute on two free cores. One row needs root, for network namespaces.
conformance: $(DEV)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m tools.conformance --jobs $(JOBS) $(CONFORMANCE)

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.phrases

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A car that we did not write, against our station, in network namespaces of its own (needs root).
interop: $(DEV)
	tests/live/interop.sh $(INTEROP)

# What changes octets in libssl's buffers, over a long time: 20 000 handshakes and 100 000 broken ClientHellos.
staples: $(DEV)
	$(BIN)/python -m pytest -s -n 0 -m live tests/live/test_status_v2.py $(TEST)

# Seeded, for hours: ten million frames at the decoder, a hundred thousand whole sessions, three thousand at a whole station,
# ten thousand connections that break off, a flood of datagrams, and the branches of the generated code.
# A part of it: `make fuzz FUZZ="frames sessions --count 100000 --seconds 600 --seed 7"`.
fuzz: $(DEV)
	$(BIN)/python -m tests.fuzz $(FUZZ)

# A million frames of DIN SPEC 70121 at the decoder, in some minutes.
fuzz-din: $(DEV)
	$(BIN)/python -m tests.din.fuzz $(FUZZ)

# Codec, TLS and boards on 32-bit and 64-bit Arm, emulated: `make arm ARM=armhf` for one of them.
arm: $(READY)
	tools/arm.sh $(ARM)

bench: $(DEV)
	$(BIN)/python -m tools.bench $(BENCH)

# Faults planted on purpose: each has to turn the suite red.
mutants: $(DEV)
	$(BIN)/python -m tools.mutants $(MUTANTS)

# Everything but ISO 15118-2: a copy without it, and all tests that are left.
deletion: $(DEV)
	$(BIN)/python -m tools.deletion $(DELETION)

docs: $(DEV)
	$(BIN)/python -m tools.docs

clean:
	rm -rf $(VENV) var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
