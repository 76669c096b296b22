#!/usr/bin/env bash
# aarch64 on another machine: the tests of `arch` and of the library under an
# emulator, and coverage of Debian's arm64 libraries. Installs what is missing; keeps nothing
# outside of the target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu
    libc6-dev-arm64-cross qemu-user-static
)
libraries=(libc6 libssl3 libstdc++6 libsqlite3-0 zlib1g)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [[ $status != installed ]]; then
        missing+=("$package")
    fi
done
if ((${#missing[@]} > 0)); then
    if ((EUID != 0)); then
        echo "as root: dpkg --add-architecture arm64 && apt-get update &&" \
            "apt-get install ${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    dpkg --add-architecture arm64
    apt-get update -q
    apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

target=${CARGO_TARGET_DIR:-$PWD/target}

# The second toolchain's artefacts are its own. Its libstd brings arm64's libc
# to where the emulator finds it by itself: `qemu -L` of the cross libc would mix
# two versions of glibc, and every program with threads would hang.
cross() {
    env RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc \
        CARGO_TARGET_DIR="$target/aarch64" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static \
        MIDAIR_EMULATED=1 MIDAIR_CYCLES="${MIDAIR_CYCLES:-40}" \
        timeout 1800 cargo test --target aarch64-unknown-linux-gnu "$@"
}

cross -p midair-arch --tests

# Those tests of the library that an emulator can run: README's table says what
# is left, and why.
tests=(aarch64 alone fork mock pass_through patch shapes stress unwinding)
cross -p midair --lib "${tests[@]/#/--test=}"
cross -p midair-libraries --lib --tests

# Unpacked only: they are looked at, not loaded.
root=$target/aarch64/debian
mkdir -p "$root"
if [[ ! -e $root/complete ]]; then
    (
        cd "$root"
        apt-get download -q "${libraries[@]/%/:arm64}"
        for package in ./*.deb; do
            dpkg-deb -x "$package" .
        done
        touch complete
    )
fi
files=()
for name in libc.so.6 libcrypto.so.3 libstdc++.so.6 libsqlite3.so.0; do
    files+=("$(find "$root" -path '*aarch64-linux-gnu*' -name "$name" | head -n 1)")
done
timeout 600 cargo run --release -p cargo-midair -- midair coverage --min-jump 99.9 "${files[@]}"
