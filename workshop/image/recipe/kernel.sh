#!/usr/bin/env bash
# mmdebstrap hook: puts a kernel and its modules into the root, without an initrd and without the packages that build one.
# Usage: kernel.sh ROOT SUITE PACKAGE
set -euo pipefail
root=$1 suite=$2 package=$3
archives=/tmp/kernel
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../../debian/debianKernel.sh"

download_kernel "$root" "$suite" "$archives" "$package"
unpack "$root" "$root$archives"/linux-*.deb
# Since Linux 7, the packages have these files only in the folder of the modules.
for modules in "$root"/usr/lib/modules/*; do
  for file in vmlinuz config; do
    if [ -e "$modules/$file" ]; then cp "$modules/$file" "$root/boot/$file-${modules##*/}"; fi
  done
done
rm -rf "${root:?}$archives"

kernels=("$root"/boot/vmlinuz-*)
test ${#kernels[@]} -eq 1
chroot "$root" depmod "${kernels[0]##*/vmlinuz-}"
