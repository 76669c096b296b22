#!/usr/bin/env bash
# The test command of README.md, and what CI alone checks.
set -euxo pipefail

cargo test --workspace
cargo build -p midair-arch --no-default-features
cargo test --features tower --test generations layer

# Mocks where nothing unwinds.
CARGO_PROFILE_DEV_PANIC=abort timeout 600 cargo run -p midair-abort
