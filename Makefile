# Every target sets up what it needs first; a second run of `make setup` has nothing to do and takes a moment.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTEST := .venv/bin/pytest
# More arguments for pytest: make test ARGS='-k hostname -x'
ARGS ?=

.PHONY: help setup setup-test setup-vm demo bench test soak test-vm test-vm-systemd test-vm-all check install uninstall

help:
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## system packages and .venv; quick when nothing is to do
	@setup/apt build run
	@setup/venv

setup-test: setup
	@setup/apt test
	@setup/apt vagrant || echo "vagrant is not to be had here: the Vagrantfile goes unchecked" >&2

setup-vm: setup-test
	@setup/apt vm

demo: setup ## a pod with two containers, step by step (root)
	@examples/demo.sh

bench: setup-test ## podrun side by side with crun, runc and podman (root)
	@setup/apt bench
	@bench/run

test: setup-test ## everything but the VM (root)
	@$(PYTEST) -n 2 --dist loadfile -o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true --junit-xml=build/test.xml $(ARGS)

soak: setup-test ## 50 pods under random kills for ten minutes, then another ten of kubelets only (root)
	@PODRUN_SOAK_SECONDS=$${PODRUN_SOAK_SECONDS:-600} PODRUN_SOAK_PODS=$${PODRUN_SOAK_PODS:-50} $(PYTEST) -s tests/pod/test_soak.py $(ARGS)

test-vm: setup-vm ## the kernel and cgroup tests and one pod test per feature, on cgroup v2 in a VM
	@.venv/bin/python tests/vm/run.py $(ARGS)

test-vm-systemd: setup-vm ## the systemd service, in a VM that boots with systemd
	@.venv/bin/python tests/vm/run.py --systemd $(ARGS)

test-vm-all: setup-vm ## all tests in the VM (slow)
	@.venv/bin/python tests/vm/run.py --all $(ARGS)

check: setup ## linters and types
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy

install: setup ## link podrun into /usr/local/bin and its unit into systemd (root)
	@setup/install

uninstall: ## remove exactly these links (root)
	@setup/install --undo
