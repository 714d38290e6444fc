#!/usr/bin/env bash
# Sends one STATFS, which is never cached, to each FUSE mount of this machine.
set -euo pipefail
mounts=$(findmnt -rn -o TARGET,FSTYPE | awk '$2 ~ /^fuse(\.|$|blk)/ { print $1 }')
if [ -z "$mounts" ]; then
  echo "no FUSE mount to probe: mount JuiceFS first" >&2
  exit 1
fi
while read -r mount; do
  timeout 30 stat -f "$(printf '%b' "$mount")" >/dev/null
done <<<"$mounts"
