#!/usr/bin/env bash
# mmdebstrap hook: puts what a build for some kernels needs into the builder's root, whatever Debian suite has it.
# For each kernel NAME, /kernels/NAME/ then holds `release`, `vmlinux.btf` (its BTF), `vmlinux.h` (the same as C) and
# `headers`, a link to the tree for module builds.
# Usage: kernels.sh ROOT NAME:SUITE:IMAGE:HEADERS...
set -euo pipefail
root=$1
shift
archives=/tmp/kernels
sources=$root/etc/apt/sources.list

install -m 755 "$(dirname "$0")/extract-vmlinux.sh" "$root/usr/local/bin/extract-vmlinux"
cp "$sources" "$sources.baked"
for kernel in "$@"; do
  IFS=: read -r name suite image headers <<<"$kernel"
  # The same choice as for the machines' image (image/kernel.sh), so that the headers fit the running kernel.
  cp "$sources.baked" "$sources"
  prefer=()
  case $suite in
  *-backports)
    sed -n "s/ ${suite%-backports} / $suite /p" "$sources.baked" >>"$sources"
    # apt takes nothing that a backport depends on from there by itself.
    prefer=(-t "$suite")
    ;;
  *) grep -q " $suite " "$sources" || sed -n -E "s/ [a-z]+(-updates|-security)? / $suite\1 /p" "$sources.baked" >>"$sources" ;;
  esac
  rm -rf "${root:?}$archives"
  mkdir -p "$root$archives/partial"
  chroot "$root" apt-get -q update
  # The newest of the suite and its security and update archives; headers and image are of one version.
  version=$(chroot "$root" apt-cache madison "$image" |
    awk -F' *[|] *' -v suite="$suite" '$3 ~ " " suite "(-updates|-security)?/" { print $2 }' | sort -V | tail -n 1)
  chroot "$root" apt-get -q -y --no-install-recommends --download-only "${prefer[@]}" \
    -o "Dir::Cache::Archives=$archives" install "$image=$version" "$headers=$version"
  # Unpacked, not installed: packages of three suites do not have to agree with each other to be read.
  for deb in "$root$archives"/linux-{headers,kbuild}-*.deb; do
    # Not dpkg-deb -x: where a package has ./lib, that puts a folder in place of the link /lib -> usr/lib.
    chroot "$root" dpkg-deb --fsys-tarfile "${deb#"$root"}" | tar -C "$root" --keep-directory-symlink -x
  done
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
mv "$sources.baked" "$sources"
