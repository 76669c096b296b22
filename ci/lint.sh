#!/usr/bin/env bash
# Format, clippy and documentation, all without a warning.
set -euxo pipefail

cargo fmt --all --check
cargo fmt --manifest-path tests/optimised/Cargo.toml --all --check
cargo fmt --manifest-path examples/counter/Cargo.toml --check
cargo fmt --manifest-path examples/notes/Cargo.toml --all --check
cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
