#!/usr/bin/env bash
# Ends a running benchmark on all nodes. Its measurements are kept.
# Usage: stop.sh RUN
set -euo pipefail
unit=disgrafs-benchmark@$1.service
systemctl stop "$unit"
if systemctl --quiet is-active "$unit"; then
  echo "$unit is still active" >&2
  exit 1
fi
