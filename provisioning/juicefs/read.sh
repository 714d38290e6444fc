#!/usr/bin/env bash
# Reads the stamps that the clients have written and compares them: name and data both came over.
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
