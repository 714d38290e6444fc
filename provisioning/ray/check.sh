#!/usr/bin/env bash
# On the head: all nodes alive, and a task ran on each. Prints one line of JSON: node names, seconds for the tasks.
# Usage: check.sh VENV HEAD-ADDRESS GCS-PORT NODE-COUNT <<<PROGRAM
set -euo pipefail
venv=$1 address=$2 gcs=$3 count=$4
put /opt/disgrafs/ray_check.py 0644 || true
log=$(mktemp)
if ! RAY_DEDUP_LOGS=0 timeout 800 "$venv/bin/python" /opt/disgrafs/ray_check.py "$address:$gcs" "$count" 2>"$log"; then
  grep -v -e ^$ "$log" | tail -n 8 >&2
  exit 1
fi
rm -f "$log"
