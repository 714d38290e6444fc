#!/usr/bin/env bash
# Runs a command in the builder's root. It reads a tar archive with the sources from standard input and unpacks it to
# /build/source; afterwards, it writes /build/out to standard output as another archive. The command's output goes to
# standard error.
# Usage: run.sh ROOT COMMAND...   (as root, in a separate mount namespace)
set -euo pipefail
root=$1
shift
# The tmpfs is visible only in this namespace and ends with it: builds do not affect each other and leave nothing behind.
mkdir -p "$root/build"
mount -t tmpfs build "$root/build"
mkdir "$root/build/source" "$root/build/out"
tar -C "$root/build/source" -x
# A root created without privileges has no device files, and build tools probe compilers with /dev/null.
test -e "$root/dev/null" || touch "$root/dev/null"
mount --bind /dev/null "$root/dev/null"
# Since Linux 7, objtool reads its stack limit from /proc.
mount --rbind /proc "$root/proc"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C SOURCE_DATE_EPOCH=0 HOME=/tmp \
  chroot "$root" "$@" </dev/null >&2
tar -C "$root/build/out" -c .
