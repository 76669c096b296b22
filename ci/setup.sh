#!/usr/bin/env bash
# Installs the C toolchain, and the system's libraries that the checks look at,
# where they are missing. Needs neither root nor a network if none is.
set -euo pipefail

packages=(
    gcc g++ libc6-dev binutils gdb netcat-openbsd
    zlib1g libsqlite3-0 libssl3 libpython3.11 libstdc++6
)

# What all steps build takes 18 GB. On a full disk tests fail for reasons that nobody finds.
target=${CARGO_TARGET_DIR:-target}
free=$(df --output=avail -BG . | tail -n 1 | tr -dc 0-9)
if [[ ! -d $target ]] && ((free < 20)); then
    echo "20 GB are needed for $target, and $free GB are free" >&2
    exit 1
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [[ $status != installed ]]; then
        missing+=("$package")
    fi
done

if ((${#missing[@]} == 0)); then
    echo "nothing to install"
elif ! command -v apt-get >/dev/null; then
    echo "this is not Debian: install what stands for ${missing[*]} by hand" >&2
    exit 1
elif ((EUID != 0)); then
    echo "as root: apt-get install ${missing[*]}" >&2
    exit 1
else
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# A toolchain of rustup's minimal profile lacks these two.
cargo fmt --version || rustup component add rustfmt
cargo clippy --version || rustup component add clippy

rustc --version
cc --version | head -n 1
c++ --version | head -n 1
gdb --version | head -n 1
