#!/usr/bin/env bash
# Prepares the folder FOLDER for run.sh: Debian's kernel for aarch64, and an archive of
# a shell and of the libraries that test programs load.
#
#   ci/machine/prepare.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1

packages=(
    busybox-static libc6 libgcc-s1 libstdc++6 zlib1g libsqlite3-0 libssl3
)

# The newest kernel of its kind: the package of that name only leads to it.
kernel=$(apt-cache depends linux-image-cloud-arm64:arm64 |
    sed -n 's/^ *Depends: \(linux-image-[^ :]*\).*/\1/p' | head -n 1)
made="${packages[*]} ${kernel:?apt knows of no kernel for arm64} $(sha256sum <"$here/init.sh")"
if [[ -e $folder/made && $(<"$folder/made") == "$made" ]]; then
    exit
fi

rm -rf "$folder"
mkdir -p "$folder/packages" "$folder/root"
(
    cd "$folder/packages"
    apt-get download -q "${packages[@]/%/:arm64}" "$kernel:arm64"
    for package in ./*.deb; do
        case $package in
            ./linux-image-*) dpkg-deb --fsys-tarfile "$package" | tar -xO --wildcards './boot/vmlinuz-*' >../vmlinuz ;;
            *) dpkg-deb -x "$package" ../root ;;
        esac
    done
)
cd "$folder"
# Of all that, what a program needs to run.
find root -mindepth 1 -maxdepth 2 ! -path root/bin ! -path root/lib ! -path root/usr \
    ! -path root/bin/busybox ! -path root/usr/lib ! -path 'root/lib/*' -prune -exec rm -rf {} +
ln -s busybox root/bin/sh
install -m 755 "$here/init.sh" root/init
(cd root && find . | cpio --quiet -o -H newc) >base.cpio
rm -rf packages root
echo "$made" >made
