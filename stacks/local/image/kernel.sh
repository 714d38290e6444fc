#!/usr/bin/env bash
# mmdebstrap hook: puts the wanted kernel and its modules into the root, from whatever Debian suite has it, without an
# initrd and without the packages that would only be there to build one.
# Usage: kernel.sh ROOT SUITE PACKAGE
set -euo pipefail
root=$1 suite=$2 package=$3
archives=/tmp/kernel
sources=$root/etc/apt/sources.list

cp "$sources" "$sources.baked"
prefer=()
case $suite in
*-backports)
  sed -n "s/ ${suite%-backports} / $suite /p" "$sources.baked" >>"$sources"
  # apt takes nothing that a backport depends on from there by itself.
  prefer=(-t "$suite")
  ;;
*) grep -q " $suite " "$sources" || sed -n -E "s/ [a-z]+(-updates|-security)? / $suite\1 /p" "$sources.baked" >>"$sources" ;;
esac
mkdir -p "$root$archives/partial"
chroot "$root" apt-get -q update
# The newest of the suite and its security and update archives; what it depends on is versioned exactly.
version=$(chroot "$root" apt-cache madison "$package" |
  awk -F' *[|] *' -v suite="$suite" '$3 ~ " " suite "(-updates|-security)?/" { print $2 }' | sort -V | tail -n 1)
test -n "$version"
chroot "$root" apt-get -q -y --no-install-recommends --download-only "${prefer[@]}" \
  -o "Dir::Cache::Archives=$archives" install "$package=$version"
for deb in "$root$archives"/linux-*.deb; do
  # Not dpkg-deb -x: where a package has ./lib, that puts a folder in place of the link /lib -> usr/lib.
  chroot "$root" dpkg-deb --fsys-tarfile "${deb#"$root"}" | tar -C "$root" --keep-directory-symlink -x
done
# From Linux 7 on, the packages have these beside the modules only.
for modules in "$root"/usr/lib/modules/*; do
  for file in vmlinuz config; do
    if [ -e "$modules/$file" ]; then cp "$modules/$file" "$root/boot/$file-${modules##*/}"; fi
  done
done
rm -rf "${root:?}$archives"
mv "$sources.baked" "$sources"

kernels=("$root"/boot/vmlinuz-*)
test ${#kernels[@]} -eq 1
chroot "$root" depmod "${kernels[0]##*/vmlinuz-}"
