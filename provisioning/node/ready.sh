#!/usr/bin/env bash
# Checks that the machine runs the requested kernel, and prints its Python and Ray versions. Stores a mark for this boot (BOOT)
# that disappears at the next one, so that a later `up` detects a reboot (stacks/local/vm.ts).
# Usage: ready.sh RELEASE-PATTERN VENV BOOT
set -euo pipefail
pattern=$1 venv=$2 boot=$3
release=$(uname -r)
if ! [[ $release =~ $pattern ]]; then
  echo "this machine runs Linux $release; the settings require a release that matches $pattern" >&2
  exit 1
fi
mkdir -p /etc/disgrafs /run/disgrafs
echo "$boot" >/run/disgrafs/boot
# Read the version from the file name: importing Ray takes seconds on an emulated machine.
found=("$venv"/lib/python3*/site-packages/ray-*.dist-info)
ray=${found[0]##*/ray-}
echo "$release $("$venv/bin/python" -V | cut -d' ' -f2) ${ray%.dist-info}"
