#!/usr/bin/env bash
# Runs every example of the library. One that hangs fails.
set -euo pipefail

cargo build --release --examples
for source in examples/*.rs; do
    name=$(basename "$source" .rs)
    echo "--- example $name"
    timeout 120 cargo run --quiet --release --example "$name"
done
