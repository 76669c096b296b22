#!/usr/bin/env bash
# The test command of README.md, and what CI alone checks.
set -euxo pipefail

cargo test --workspace
cargo build -p midair-arch --no-default-features
