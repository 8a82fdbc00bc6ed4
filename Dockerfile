# syntax=docker/dockerfile:1
# The image: one static binary, nothing else that runs. Built on the machine's own architecture and
# cross-compiled, so that no compiler is emulated. `make image` builds it; `make image-check` holds what it
# promises without a container engine.

# Of the SBOM that `--sbom` attests: what was compiled is named in Cargo.lock, not in the final stage.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

FROM --platform=$BUILDPLATFORM rust:1.95.0-slim-bookworm AS toolchain
# Zig is the C compiler for aws-lc and mimalloc, and the linker, with musl of both architectures.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY .image/zig.txt /zig.txt
RUN python3 -m venv /zig && /zig/bin/pip install --no-cache-dir --require-hashes -r /zig.txt
# Zig refuses `__DATE__`, which mimalloc has in a message. Rust's own linker makes the program position-independent,
# Zig's does not.
ENV PATH=/zig/bin:$PATH \
    TARGET_CFLAGS=-Wno-date-time \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
RUN rustup target add x86_64-unknown-linux-musl aarch64-unknown-linux-musl \
 && cargo install --locked cargo-chef@0.1.78
WORKDIR /source

FROM toolchain AS recipe
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

FROM toolchain AS build
ARG TARGETARCH
COPY .image/target /usr/local/bin/target
# The dependencies: a layer that stays as long as Cargo.lock does.
COPY --from=recipe /recipe.json /recipe.json
RUN cargo chef cook --locked --zigbuild --profile dist --target "$(target)" --bin portcullis --recipe-path /recipe.json
COPY . .
ARG COMMIT
# A megabyte and a half of relocations packs into a few pages.
RUN PORTCULLIS_COMMIT="$COMMIT" cargo-zigbuild rustc --locked --profile dist --target "$(target)" --bin portcullis \
    -- -C link-arg=-zpack-relative-relocs \
 && install -D -m 0555 "target/$(target)/dist/portcullis" /out/portcullis

FROM scratch
ARG COMMIT
ARG VERSION
LABEL org.opencontainers.image.title="portcullis" \
      org.opencontainers.image.description="Envoy ext_authz gRPC authorization server: SPIFFE identity, Rego policies, closed on every failure" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE /licenses/LICENSE
COPY --from=build /out/portcullis /portcullis
# `portcullis run` asks for small pages itself, but the allocator has begun by then.
ENV MIMALLOC_ALLOW_THP=0
# Numbers: Kubernetes' `runAsNonRoot` cannot look up names, and there is no file to look in.
USER 65532:65532
# Checks, and metrics and health.
EXPOSE 9191 8282
# `PORTCULLIS_HEALTH_ADDR` names another address than this machine's port 9191.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/portcullis", "health"]
ENTRYPOINT ["/portcullis"]
CMD ["run"]
