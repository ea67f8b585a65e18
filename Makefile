# SPDX-License-Identifier: MIT
# `make` alone lists what can be done. Every target does the set-up that it needs, and only what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
IFACE ?=
KERNELS ?=
RELEASES ?= 12 13
VERSIONS ?= lowest newest
WRITE ?=
ONLY ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
PYTEST := $(VENV)/bin/pytest
# Tests that need root have namespaces, cgroups and pins of their own, so files of them run side by side.
BESIDE := -n $(shell echo $$(( $$(nproc) > 3 ? 3 : 2 ))) --dist loadfile
# A root process leaves no files that their owner could not remove.
AS_ROOT := tools/as-root env PYTHONDONTWRITEBYTECODE=1

WHEEL_INPUTS = pyproject.toml README.md LICENSE build_bpf.py \
	$(shell find tools LICENSES bpf vmlinux trafficmon -type f \
		! -path '*/_bpf/*' ! -name '*.so' ! -name '*.py[co]')

# cffi's declarations (decl/) look like C but are not
C_FILES = $(shell find bpf vmlinux trafficmon tests -name '*.[ch]' ! -path '*/decl/*')
SCRIPTS := .ci/run tools/apt-deps tools/as-root tools/default-iface tools/run tests/packaging/fresh-debian.sh \
	tests/packaging/other-versions.sh

## —— Use ——

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^## / { print substr($$0, 4) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: build ## attach to IFACE=… (default: the default route's) and open the live view
	@tools/run "$(IFACE)"

.PHONY: stop
stop: ## take everything out again that `make run` attached
	@$(AS_ROOT) $(VENV)/bin/trafficmon detach

.PHONY: demo
demo: build deps-test $(VENV)/.stamp-test ## show it at work on real traffic in private network namespaces
	@$(AS_ROOT) $(PY) -m tests.lab.show

.PHONY: pictures
pictures: build deps-test $(VENV)/.stamp-test ## draw the README's pictures: the dashboard over the demo's traffic (root)
	@$(AS_ROOT) $(PY) -m tests.lab.pictures

.PHONY: install
install: $(VENV)/.stamp-wheel ## put the wheel into .venv: .venv/bin/trafficmon
	@$(VENV)/bin/trafficmon --version

## —— Check ——

.PHONY: test
test: test-unit test-kernel ## every test of the everyday suite; needs root for a part (sudo)

.PHONY: test-unit
test-unit: build $(VENV)/.stamp-test ## the tests that need no privilege
	$(PYTEST) -n auto --dist worksteal -m 'not kernel and not vm and not bench'

.PHONY: test-kernel
test-kernel: build deps-test $(VENV)/.stamp-test ## the tests that load programs and make namespaces (root)
	$(AS_ROOT) $(PYTEST) -p no:cacheprovider $(BESIDE) -m 'kernel and not long and not vm and not bench'

.PHONY: test-long
test-long: build deps-test $(VENV)/.stamp-test ## those of them that take minutes: 200 kills, every step of attach, 600,000 frames (root)
	$(AS_ROOT) $(PYTEST) -p no:cacheprovider $(BESIDE) --timeout 900 -m 'long'

.PHONY: mutate
mutate: build deps-test $(VENV)/.stamp-test ## small faults put in one at a time: do the everyday tests notice? ONLY=flows for a part (root)
	@$(AS_ROOT) $(PY) -m tests.mutation $(if $(ONLY),--only '$(ONLY)')

.PHONY: mutate-core
mutate-core: build $(VENV)/.stamp-test $(VENV)/.stamp-mutate ## every change mutmut makes of the Python core, against the unit tests (hours): ONLY='trafficmon.filter.*'
	$(VENV)/bin/mutmut run $(if $(ONLY),'$(ONLY)')

.PHONY: test-deps
test-deps: build ## the tests that need no privilege, with the lowest and the newest dependencies: VERSIONS=lowest for one
	@PYTHON=$(PYTHON) tests/packaging/other-versions.sh $(VERSIONS)

.PHONY: test-fresh
test-fresh: ## `make run` and `make test` from a clone in new minimal Debians, 12 and 13: RELEASES="13" for one (root, mmdebstrap)
	@tools/as-root tests/packaging/fresh-debian.sh $(RELEASES)

.PHONY: test-kernels
test-kernels: build deps-test deps-vm .venv-vm/.stamp ## the kernel tests on other kernels, in virtual machines: KERNELS="6.1 6.12:arm64"
	@$(AS_ROOT) $(PY) -m tests.vm $(KERNELS)

.PHONY: bench
bench: build deps-test $(VENV)/.stamp-test ## measure the cost per packet and the time to read (root)
	$(AS_ROOT) $(PYTEST) -p no:cacheprovider -m bench -s

.PHONY: bench-accuracy
bench-accuracy: build deps-test $(VENV)/.stamp-test ## known traffic against other witnesses: WRITE=1 puts the table into docs/accuracy.md (root)
	@$(AS_ROOT) $(PY) -m tests.accuracy $(if $(WRITE),--write)

.PHONY: lint
lint: build deps-lint $(VENV)/.stamp-test $(VENV)/.stamp-lint ## style, types, layering
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)
	$(PY) build_bpf.py --check-headers
	shellcheck $(SCRIPTS)

.PHONY: figures
figures: ## lines, longest files, lengths of functions, words that are avoided
	@$(PYTHON) tools/code_figures.py

.PHONY: format
format: $(VENV)/.stamp-lint ## put every file into the house style
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format
	$(VENV)/bin/clang-format -i $(C_FILES)

## —— Build ——

.PHONY: setup
setup: build deps-test $(VENV)/.stamp-test ## all that run and test need; the only part that uses the network

.PHONY: build
build: $(VENV)/.stamp-editable ## the BPF objects and the libbpf binding, in the checkout
	@$(PY) build_bpf.py
	@$(PY) tools/build_native.py
	@$(PY) tools/wire_layout.py
	@$(PY) -m compileall -q trafficmon # root runs it, and leaves no files: so they would be compiled at every start

.PHONY: bpf
bpf: $(VENV)/.stamp-tools ## the BPF objects alone
	@$(PY) build_bpf.py

.PHONY: wheel
wheel: dist/.stamp ## dist/*.whl, with the BPF objects inside
	@ls dist/*.whl

.PHONY: deps
deps: ## the Debian packages that a build needs, if any is missing
	@PYTHON=$(PYTHON) tools/apt-deps build

.PHONY: deps-test
deps-test:
	@PYTHON=$(PYTHON) tools/apt-deps test

.PHONY: deps-vm
deps-vm:
	@tools/apt-deps $(if $(KERNELS),$(if $(findstring arm64,$(KERNELS)),arm64,vm),arm64)

.PHONY: deps-lint
deps-lint:
	@PYTHON=$(PYTHON) tools/apt-deps lint

.PHONY: clean
clean: ## remove what was built
	rm -rf build dist mutants trafficmon/_bpf trafficmon/libbpf/*.so .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find trafficmon tests tools -name __pycache__ -prune -exec rm -rf {} +
	rm -f $(VENV)/.stamp-editable

.PHONY: distclean
distclean: clean ## … and the virtual environment
	rm -rf $(VENV) .venv-vm

# A stamp says that its part of the virtual environment is in place. The editable install and the installed
# wheel take each other's place, so each one's rule removes the other's stamp.

$(VENV)/.stamp-tools: pyproject.toml | deps
	@echo "virtual environment: $(VENV)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) tools/requirements.py build | $(PIP) install -r /dev/stdin
	@touch $@

$(VENV)/.stamp-editable: $(VENV)/.stamp-tools tools/hatch_hook.py
	@echo "installing trafficmon from this checkout"
	@$(PIP) install --no-build-isolation -e .
	@rm -f $(VENV)/.stamp-wheel
	@touch $@

$(VENV)/.stamp-test $(VENV)/.stamp-lint $(VENV)/.stamp-mutate: $(VENV)/.stamp-%: $(VENV)/.stamp-tools
	@echo "installing the tools to $*"
	@$(PY) tools/requirements.py $* | $(PIP) install -r /dev/stdin
	@touch $@

# What runs in virtual machines: Debian's Python, with Debian's numpy (see tools/apt-deps).
.venv-vm/.stamp: pyproject.toml | deps-vm
	@/usr/bin/python3 -m venv --system-site-packages .venv-vm
	@$(PY) tools/requirements.py vm | .venv-vm/bin/python -m pip --disable-pip-version-check --quiet install -r /dev/stdin
	@touch $@

dist/.stamp: $(VENV)/.stamp-tools $(WHEEL_INPUTS)
	@rm -rf dist
	@$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist .
	@touch $@

$(VENV)/.stamp-wheel: dist/.stamp
	@$(PIP) install dist/*.whl
	@$(PIP) install --force-reinstall --no-deps dist/*.whl
	@rm -f $(VENV)/.stamp-editable
	@touch $@
