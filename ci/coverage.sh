#!/usr/bin/env bash
# How the functions of real libraries and programs can be patched. Fails if in
# any of them less than 99.9 % are reached by a jump.
set -euo pipefail

sysroot=$(rustc --print sysroot)
libraries=/usr/lib/$(uname -m)-linux-gnu
files=(
    "$libraries"/libz.so.1
    "$libraries"/libsqlite3.so.0
    "$libraries"/libcrypto.so.3
    "$libraries"/libc.so.6
    "$libraries"/libpython3.11.so.1.0
    "$libraries"/libstdc++.so.6
    "$sysroot"/bin/cargo
    "$sysroot"/lib/librustc_driver-*.so
)

for file in "${files[@]}"; do
    if [[ ! -f $file ]]; then
        echo "$file is missing: run ci/setup.sh" >&2
        exit 1
    fi
done

timeout 600 cargo run --release -p cargo-midair -- midair coverage --min-jump 99.9 "${files[@]}"
