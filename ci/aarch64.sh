#!/usr/bin/env bash
# aarch64 on another machine: the tests under two emulators, and coverage of Debian's
# arm64 libraries. Installs what is missing; keeps nothing outside of the target
# directory.
#
# - `qemu-aarch64` runs single programs on the host's kernel: threads run on several
#   cores at once, and tests may call compilers. It tells nothing of sleepers' stacks, has
#   no process_vm_readv, and does not execute what is written through /proc/self/mem.
# - The machine (ci/machine) is one core with Debian's kernel for aarch64: all that the
#   first does not show.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests of `arch`, of which one needs the processor; bytes in, bytes out are the same on
# x86-64, and are tested there.
arch=(aarch64_oracle aarch64_ladder aarch64_relocation aarch64_tables)
# Tests of the library, by where they run.
programs=(aarch64 alone bad_input fork generations pass_through patch shapes unwinding)
machine=(
    aarch64 blocked consistency crossings exceptions generations hardened perf_map reclaim
    stepped stress unloading
)
# And those that run nowhere on aarch64, each for a reason:
#   atomic, own_callees, sleeping, exhausted, traps   x86-64 assembly; what holds
#                on aarch64 of the last two is in tests/aarch64.rs, of `atomic` there and
#                in `crossings`, and a copy has no call in its middle to sleep in
#   debugger     there is no gdb for aarch64 programs here
#   descriptors  is about writes through /proc/self/mem: where `stress` runs on the
#                machine, these are what it does
#   memory       tens of thousands of cycles are twenty minutes, emulated; `reclaim` shows
#                that memory comes back
#   mock_limits  three hundred functions mocked, and the kernel's word about memory: more
#                than two minutes on the machine, and qemu's own memory counts elsewhere
#   compile_fail the same compiler says the same
# Of tests/symbols, six do not run:
symbols=(
    --skip malformed                                 # bytes in, errors out: the same on x86-64
    --skip functions_of_the_toolchain_are_covered    # the toolchain is x86-64's
    --skip sizes_unwind_information_and_labels       # its labels count bytes of x86-64
    --skip a_file_replaced_after_it_was_loaded       # starts itself, which is no program here
    --skip the_program_is_readable_even_if_its_file  # the same
    --skip the_program_comes_first_and_every_image   # qemu 7.2 has no vDSO
)

# These call a compiler: bytes in, answers out, the same on x86-64.
lib=(--skip symbols::debug)

# Hot reload: the workspace is edited and built here, its program is emulated. One test
# for each thing that depends on the machine: a reference of each kind (calls, addresses,
# statics, thread-locals old and new, tables, literals), code of the standard library
# that is taken in, unwinding, and a refusal that comes from debug information. What is
# different in `live`, `keeps` and `refused` otherwise is Rust, and the same on x86-64.
# Not run: `counter` and others that time requests, which wait for the emulator; gdb, of
# which there is none for aarch64 here. On the machine there is no cargo: the loader is
# tested there by `reload::image` in the library's own tests.
reload=(
    live::a_private_function live::a_trait_method_called_through_an_old_box
    live::a_jump_table live::a_static_that_points_to_a_text live::a_static_that_does_not_change
    live::a_new_function_that_calls_what_the_program_never_used
    live::a_new_static_and_a_new_thread_local_keep_their_values_from_then_on
    live::a_future_that_is_suspended live::a_generic_instance_of_a_library
    live::panics_and_backtraces_of_patched_functions_name_the_new_lines
    keeps::statics_of_all_kinds keeps::thread_locals_in_threads_that_run
    refused::another_layout_of_a_type_that_lives
    # By the control socket.
    eval::with_write_it_goes_into_the_file
    eval::undo_takes_edits_and_definitions_back_and_reload_brings_the_edits_again
)

# The observed part of tests/stress starts itself: that is for the machine.
stress=(--skip observed)

packages=(
    rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
    libc6-dev-arm64-cross qemu-user-static qemu-system-arm cpio
    # Patched as they are.
    zlib1g:arm64 libsqlite3-0:arm64 libssl3:arm64
)
missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [[ $status != installed ]]; then
        missing+=("$package")
    fi
done
if ((${#missing[@]} > 0)) || ! apt-cache show linux-image-cloud-arm64:arm64 >/dev/null 2>&1; then
    if ((EUID != 0)); then
        echo "as root: dpkg --add-architecture arm64 && apt-get update &&" \
            "apt-get install ${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    dpkg --add-architecture arm64
    apt-get update -q
    if ((${#missing[@]} > 0)); then
        apt-get install -q -y --no-install-recommends "${missing[@]}"
    fi
fi

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# The second toolchain's artefacts are its own. Its libstd brings arm64's libc
# to where the emulator finds it by itself: `qemu -L` of the cross libc would mix
# two versions of glibc, and every program with threads would hang.
cross() {
    env RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc \
        CARGO_TARGET_DIR="$target/aarch64" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$runner" \
        MIDAIR_CYCLES="${MIDAIR_CYCLES:-40}" \
        timeout 1800 cargo test --target aarch64-unknown-linux-gnu "$@"
}

# All that is built is built first: then both emulators run side by side.
runner=qemu-aarch64-static
cross -q --no-run -p midair-arch "${arch[@]/#/--test=}"
all=("${programs[@]}" "${machine[@]}" symbols stress mock)
cross -q --no-run -p midair --lib "${all[@]/#/--test=}"
cross -q --no-run -p midair-libraries --lib --tests

ci/machine/prepare.sh "$target/aarch64/machine"
log=$target/aarch64/machine.log
(
    runner=$PWD/ci/machine/run.sh
    export MIDAIR_MACHINE=$target/aarch64/machine
    cross -p midair --lib -- "${lib[@]}"
    cross -p midair "${machine[@]/#/--test=}"
) >"$log" 2>&1 &
booted=$!
# Whatever ends this script ends the machines as well.
trap 'kill "$booted" 2>/dev/null || true' EXIT

(
    export MIDAIR_EMULATED=1 MIDAIR_TOOLS=aarch64-linux-gnu-
    cross -p midair-arch "${arch[@]/#/--test=}"
    cross -p midair "${programs[@]/#/--test=}"
    cross -p midair --features tower --test generations layer
    # One round of 64 tests at once is a minute: threads that run are held for each mock.
    MIDAIR_CYCLES=1 cross -p midair --test mock
    cross -p midair --test symbols -- "${symbols[@]}"
    cross -p midair --test stress -- "${stress[@]}"
    cross -p midair-libraries --lib --tests
)

MIDAIR_RUN_TARGET=aarch64-unknown-linux-gnu MIDAIR_RUN_RUSTC=/usr/bin/rustc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static \
    timeout 900 cargo test -p cargo-midair --test run -- --exact "${reload[@]}"

# Control: these programs are emulated, and who talks to them is not. The test of TCP starts
# itself.
MIDAIR_RUN_TARGET=aarch64-unknown-linux-gnu MIDAIR_RUN_RUSTC=/usr/bin/rustc \
    MIDAIR_RUN_FOLDER="$target/aarch64" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static \
    timeout 900 cargo test -p midair --test control -- --skip tcp

# Unpacked only: they are looked at, not loaded.
libraries=(libc6 libssl3 libstdc++6 libsqlite3-0)
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

echo "--- on the machine"
code=0
wait "$booted" || code=$?
cat "$log"
exit "$code"
