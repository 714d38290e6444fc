#!/usr/bin/env bash
# mmdebstrap hook: adds the files that builds for the given kernels need to the builder's root; each kernel may be from a
# different Debian suite. /kernels/NAME/ then has `release`, `vmlinux.btf` (the kernel's BTF), `vmlinux.h` (the same as C)
# and `headers`, a link to the tree for module builds.
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
  # The packages are unpacked and not installed, because packages of different suites can conflict.
  unpack "$root" "$root$archives"/linux-{headers,kbuild}-*.deb
  boot=$root$archives/image
  # The boot image is /boot/vmlinuz-RELEASE of linux-image; since Linux 7, /usr/lib/modules/RELEASE/vmlinuz of linux-binary.
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
