# Two commands do everything: `make demo` and `make test`. Python 3.11, g++ and make are all they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
VERSION = $(shell $(PYTHON) -c "import sys; print('%d.%d' % sys.version_info[:2])")
CORE = .venv-core-$(VERSION)
READING = .venv-keras-$(VERSION)
QKERAS3 = .venv-qkeras3
PARALLEL := -n logical --dist loadfile --no-loadscope-reorder

.PHONY: demo test seeds sanitize test-fast test-core test-keras test-torch test-hgq1 test-hgq2 test-pquant test-qkeras3 test-qonnx durations fuzz battery mutants tamper faults hostile golden bench bench-compare bench-adders clean

demo: .venv/installed
	$(BIN)/bittrigger convert models/jet_tagger/model.h5 -o build/jet_tagger --overwrite \
	  --budget cms-phase2-correlator-layer2 --inputs models/jet_tagger/sample.npz --simulate --prove --check
	$(BIN)/bittrigger report build/jet_tagger --format html

# mypy works beside the tests, in the background, where a shell ignores interrupts: they are for the tests
test: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy & types=$$!; $(BIN)/pytest $(PARALLEL) || { kill $$types 2> /dev/null; exit 1; }; \
	  wait $$types || { echo "mypy found something: run $(BIN)/mypy" >&2; exit 1; }

# what durations.json knows to be quick, under four minutes on two cores
test-fast: .venv/installed
	$(BIN)/ruff check
	$(BIN)/pytest $(PARALLEL) --fast

# the properties with ten seeds that nobody has run; SEEDS="20261130 20261131" takes these. The first that fails ends it
SEEDS ?= $(shell $(PYTHON) -c "import random; print(*random.sample(range(10**8), 10))")
PROPERTIES = $(shell grep -l '^from hypothesis' tests/test_*.py)
seeds: .venv/installed
	for seed in $(SEEDS); do \
	  echo "seed $$seed" && $(BIN)/pytest -q -m hypothesis --hypothesis-seed=$$seed $(PROPERTIES) || exit 1; \
	done

# make test-core PYTHON=python3.13: the core alone, without TensorFlow; TESTS=tests/test_x.py takes some of its tests
test-core: $(CORE)/installed
	$(CORE)/bin/pytest $(PARALLEL) $(TESTS)

# make test-keras PYTHON=python3.13: the same models read on a later Python, whose Keras 2 is tf_keras, give the same firmware
test-keras: $(READING)/installed
	$(READING)/bin/pytest tests/test_golden.py tests/test_keras_file.py tests/test_legacy_keras.py

$(READING)/installed: pyproject.toml setup.py $(wildcard bittrigger/solver/native/*)
	$(PYTHON) -m venv $(READING)
	$(READING)/bin/pip install --quiet --editable '.[keras,test]' h5py
	touch $@

# what PyTorch, Brevitas, qonnx, and HGQ2 with Keras 3 compute, against the integers: each in an environment of its own
test-torch:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/pip install --quiet --editable '.[test]' torch
	.venv-torch/bin/pip install --quiet --no-deps brevitas==0.13.4 dependencies==2.0.1
	.venv-torch/bin/pytest tests/test_pytorch_bits.py tests/test_pytorch_modules.py tests/test_pytorch_steady.py

test-hgq1:
	$(PYTHON) -m venv .venv-hgq1
	.venv-hgq1/bin/pip install --quiet --editable '.[keras,test]' HGQ==0.2.6 h5py
	.venv-hgq1/bin/pytest tests/test_hgq1.py

test-hgq2: $(READING)/installed
	$(PYTHON) -m venv .venv-hgq2
	.venv-hgq2/bin/pip install --quiet --editable '.[test]' HGQ2==0.2.0 'hls4ml==1.3.*' tensorflow==2.20.0
	.venv-hgq2/bin/pytest tests/test_hgq2.py tests/test_hgq2_quantisers.py
	mkdir -p build/hgq2
	.venv-hgq2/bin/python tests/hgq2_models.py build/hgq2
	HGQ2_MODELS=build/hgq2 $(READING)/bin/pytest tests/test_hgq2_files.py

test-pquant: $(READING)/installed
	$(PYTHON) -m venv .venv-pquant
	.venv-pquant/bin/pip install --quiet pquant-ml==0.1.0 tensorflow==2.20.0
	mkdir -p build/pquant
	.venv-pquant/bin/python tests/pquant_models.py build/pquant
	PQUANT_MODELS=build/pquant $(READING)/bin/pytest tests/test_pquant_files.py

# QKeras v3 writes and predicts its models in an environment of its own; they are read where QKeras 0.9 is
test-qkeras3: $(READING)/installed $(QKERAS3)/installed
	mkdir -p build/qkeras3
	$(QKERAS3)/bin/python tests/qkeras3_models.py build/qkeras3
	QKERAS3_MODELS=build/qkeras3 $(READING)/bin/pytest tests/test_qkeras3.py tests/test_keras_3_files.py

$(QKERAS3)/installed:
	$(PYTHON) -m venv $(QKERAS3)
	$(QKERAS3)/bin/pip install --quiet qkeras-v3==1.2.1 tensorflow==2.20.0
	touch $@

test-qonnx:
	$(PYTHON) -m venv .venv-qonnx
	.venv-qonnx/bin/pip install --quiet --editable '.[test]' qonnx==1.0.0 onnx==1.23.2 onnxruntime==1.32.0
	.venv-qonnx/bin/pytest tests/test_qonnx.py tests/test_qonnx_bits.py tests/test_qonnx_operators.py tests/test_qonnx_refusals.py \
	  tests/test_qonnx_rounding.py tests/test_integer_bits.py tests/test_onnx_fuzz.py tests/test_onnx_registry.py

$(CORE)/installed: pyproject.toml setup.py $(wildcard bittrigger/solver/native/*)
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/pip install --quiet --editable '.[test]'
	touch $@

# make durations TESTS=tests/test_x.py: CPU seconds of tests that are new or have changed, for the two above
durations: .venv/installed
	$(BIN)/pytest $(TESTS) --record-durations

# make fuzz N=5000: random networks through every executor; the same command goes on where it was interrupted
fuzz: .venv/installed
	PYTHONPATH=tests $(BIN)/python -m fuzz --count $(or $(N),200) --folder build/fuzz

# make battery: a small model of every layer and option, compared with Keras; writes docs/layers.md
battery: .venv/installed
	PYTHONPATH=tests $(BIN)/python -W ignore -m battery

# make mutants N=200: emitters, passes and templates broken on purpose, to see whether the checks notice
mutants: .venv/installed
	PYTHONPATH=tests $(BIN)/python -m mutation.campaign $(if $(N),--number $(N)) --record build/mutants.jsonl

# make tamper: files of a build changed by hand, one at a time, to see whether prove, simulate and the seal notice
tamper: .venv/installed
	PYTHONPATH=tests $(BIN)/python -m tamper.campaign --record build/tamper.jsonl

# make faults: commands that run out of processes, threads, memory, files, disk or home, and whose workers are killed;
# the same command goes on where it was interrupted
faults: .venv/installed
	PYTHONPATH=tests $(BIN)/python -m faults.campaign --record build/faults.jsonl

# make hostile N=2000: hostile models and builds by hand, and so many damaged files of every kind
HOSTILE = hostile_models hostile_fronts keras_file keras_3_files hgq2_files pquant_files untrusted_builds arrays apart confined recount wrapping
hostile: .venv/installed
	$(BIN)/pytest $(HOSTILE:%=tests/test_%.py)
	PYTHONPATH=tests $(BIN)/python -m fuzz.readers --count $(or $(N),500)

# make sanitize N=400: the native solver on random problems under AddressSanitizer and UndefinedBehaviorSanitizer
sanitize:
	mkdir -p build
	g++ -std=c++17 -O1 -g -mpopcnt -pthread -fsanitize=address,undefined -fno-sanitize-recover=all \
	  bittrigger/solver/native/*.cpp tests/sanitize_solver.cpp -o build/sanitize_solver
	build/sanitize_solver $(or $(N),40)

golden: .venv/installed
	$(BIN)/pytest tests/test_golden.py --update-golden

.venv/installed: pyproject.toml setup.py $(wildcard bittrigger/solver/native/*)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev,train]'
	touch $@

# what people wait for, and how fast things run; build/bench.json is what bench-compare reads
bench: .venv/installed
	$(BIN)/python benchmarks/waiting.py --runs 3 --json build/bench.json
	$(BIN)/python benchmarks/csim.py
	$(BIN)/python benchmarks/adder_trees.py
	$(BIN)/python benchmarks/agreement.py --csim-events 4096
	$(BIN)/python benchmarks/emulator.py
	$(BIN)/python benchmarks/emulator_models.py
	$(BIN)/python benchmarks/executors.py

# names every job that takes more than 1.3 times the recorded ratio to the reference job
bench-compare:
	$(BIN)/python benchmarks/waiting.py --compare build/bench.json benchmarks/waiting.json

bench-adders: .venv/installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python benchmarks/adders/run.py

clean:
	rm -rf build .venv .venv-*
