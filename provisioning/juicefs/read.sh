#!/usr/bin/env bash
# Reads and compares the stamps of all clients, which proves that names and data are shared.
# Usage: read.sh MOUNT-POINT STAMP...
set -euo pipefail
folder=$1/.disgrafs-check
shift
for stamp in "$@"; do
  file=$folder/${stamp%% *}
  same() { [ "$(cat "$file" 2>/dev/null)" = "$stamp" ]; }
  if ! wait_for 30 "the stamp \"$stamp\" in $file" same; then
    echo "$file holds: $(head -c 200 "$file" 2>&1)" >&2
    exit 1
  fi
done
echo $#
