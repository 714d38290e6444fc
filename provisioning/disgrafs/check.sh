#!/usr/bin/env bash
# On the Ray head: waits until each client's file is found by its tag. Prints one line of JSON.
# Usage: check.sh APP VENV GRAPH PROBE..., where each PROBE is the output of write.sh
set -euo pipefail
app=$1 venv=$2 graph=$3
shift 3
log=$(mktemp)
if ! PYTHONPATH=$app DISGRAFS_GRAPH=$graph DISGRAFS_GRAPH_PASSWORD_FILE=/etc/disgrafs/graph-password \
  timeout 800 "$venv/bin/python" -m disgrafs.probe "$@" 2>"$log"; then
  tail -n 8 "$log" >&2
  journalctl -u disgrafs-index -u disgrafs-taggers -n 20 --no-pager -o cat >&2
  exit 1
fi
rm -f "$log"
