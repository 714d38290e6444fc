#!/usr/bin/env bash
# Proves that the machine runs the kernel that was asked for, and says which Python and Ray it has. Leaves the mark of this
# boot (BOOT), which the next one takes away: so a later `up` sees that the machine was rebooted (stacks/local/vm.ts).
# Usage: ready.sh RELEASE-PATTERN VENV BOOT
set -euo pipefail
pattern=$1 venv=$2 boot=$3
release=$(uname -r)
if ! [[ $release =~ $pattern ]]; then
  echo "this machine runs Linux $release, and the settings ask for one that matches $pattern" >&2
  exit 1
fi
mkdir -p /etc/disgrafs /run/disgrafs
echo "$boot" >/run/disgrafs/boot
# Not by importing it: that takes seconds on an emulated machine.
found=("$venv"/lib/python3*/site-packages/ray-*.dist-info)
ray=${found[0]##*/ray-}
echo "$release $("$venv/bin/python" -V | cut -d' ' -f2) ${ray%.dist-info}"
