#!/usr/bin/env bash
# Runs one aarch64 program on a machine of its own: Debian's kernel in qemu's system
# emulator, booted in two seconds, with nothing but the program, its libraries and a
# shell. What the emulator of single programs cannot show is real here: `/proc`, the
# stacks of sleepers, process_vm_readv, membarrier, timers, BTI, signed addresses.
#
#   ci/machine/run.sh PROGRAM [ARGUMENT…]
#
# is what ci/aarch64.sh gives Cargo as the runner; MIDAIR_MACHINE is the folder that
# it has prepared. The machine has one core: with several, qemu (10.0 as well as 7.2)
# now and then goes on executing code that another core has overwritten.
set -euo pipefail

program=$(realpath "$1")
shift
machine=${MIDAIR_MACHINE:?the folder that ci/aarch64.sh prepares}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Where it stands here it stands there, and so do the libraries that the tests build.
{
    echo "$program"
    find "$(dirname "$program")/../build" -path '*/out/*.so' -exec realpath {} + || true
    echo "$PWD"
} | sort -u >"$work/files"
# Each folder comes before what is in it.
while read -r path; do
    while [[ $path != / ]]; do
        echo "${path#/}"
        path=$(dirname "$path")
    done
done <"$work/files" | sort -u >"$work/list"
(cd / && cpio --quiet -o -H newc <"$work/list") >"$work/program.cpio"

mkdir "$work/root"
{
    while IFS='=' read -r name value; do
        printf 'export %s=%q\n' "$name" "$value"
    done < <(env | grep -E '^(MIDAIR_|RUST_)' | grep -v '^MIDAIR_MACHINE=')
    printf 'cd %q\n' "$PWD"
    printf 'exec'
    printf ' %q' "$program" "$@"
    echo
} >"$work/root/run"
(cd "$work/root" && echo run | cpio --quiet -o -H newc) >"$work/run.cpio"

# The kernel unpacks one archive after the other.
cat "$machine/base.cpio" "$work/program.cpio" "$work/run.cpio" >"$work/initrd"
code=0
timeout --foreground "${MIDAIR_MACHINE_SECONDS:-600}" qemu-system-aarch64 \
    -machine virt -cpu max,pauth-impdef=on -smp "${MIDAIR_MACHINE_CORES:-1}" -m 2G \
    -display none -monitor none -serial stdio -nic none -no-reboot \
    -kernel "$machine/vmlinuz" -initrd "$work/initrd" \
    -append "console=ttyAMA0 quiet panic=-1" </dev/null |
    tr -d '\r' | tee "$work/output" | grep --line-buffered -v '^midair-machine: ' || code=$?

ended=$(sed -n 's/^midair-machine: the program ended with //p' "$work/output")
if [[ -z $ended ]]; then
    echo "the machine stopped before the program ended ($code)" >&2
    exit 1
fi
exit "$ended"
