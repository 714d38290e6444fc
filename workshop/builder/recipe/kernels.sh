#!/usr/bin/env bash
# mmdebstrap hook: puts what a build for some kernels needs into the builder's root, whatever Debian suite has it.
# For each kernel NAME, /kernels/NAME/ then holds `release`, `vmlinux.btf` (its BTF), `vmlinux.h` (the same as C) and
# `headers`, a link to the tree for module builds.
# Usage: kernels.sh ROOT NAME:SUITE:IMAGE:HEADERS...
set -euo pipefail
root=$1
shift
archives=/tmp/kernels
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../../debian/debianKernel.sh"

install -m 755 "$(dirname "$0")/extract-vmlinux.sh" "$root/usr/local/bin/extract-vmlinux"
for kernel in "$@"; do
  IFS=: read -r name suite image headers <<<"$kernel"
  download_kernel "$root" "$suite" "$archives" "$image" "$headers"
  # Unpacked, not installed: packages of three suites do not have to agree with each other to be read.
  unpack "$root" "$root$archives"/linux-{headers,kbuild}-*.deb
  boot=$root$archives/image
  # The boot image is linux-image's /boot/vmlinuz-RELEASE; from Linux 7 linux-binary's /usr/lib/modules/RELEASE/vmlinuz.
  for deb in "$root$archives"/linux-{image,binary}-*.deb; do
    test -e "$deb" || continue
    chroot "$root" dpkg-deb -x "${deb#"$root"}" "$archives/image"
  done
  vmlinuz=$(find "$boot" -type f -name "vmlinuz*")
  release=$(basename "${vmlinuz%/vmlinuz}")
  release=${release#vmlinuz-}
  facts=/kernels/$name
  mkdir -p "$root$facts"
  echo "$release" >"$root$facts/release"
  ln -s "/usr/src/linux-headers-$release" "$root$facts/headers"
  chroot "$root" extract-vmlinux "${vmlinuz#"$root"}" >"$root/tmp/vmlinux"
  chroot "$root" llvm-objcopy-19 --dump-section ".BTF=$facts/vmlinux.btf" /tmp/vmlinux /dev/null
  chroot "$root" bpftool btf dump file "$facts/vmlinux.btf" format c >"$root$facts/vmlinux.h"
  rm "$root/tmp/vmlinux"
done
rm -rf "${root:?}$archives"
