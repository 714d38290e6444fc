#!/usr/bin/env bash
# Ends a run that is still going, on all nodes. What it has measured stays.
# Usage: stop.sh RUN
set -euo pipefail
unit=disgrafs-benchmark@$1.service
systemctl stop "$unit"
if systemctl --quiet is-active "$unit"; then
  echo "$unit is still active" >&2
  exit 1
fi
