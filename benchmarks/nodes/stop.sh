#!/usr/bin/env bash
# Ends a run that is still going, on all nodes. What it has measured stays.
# Usage: stop.sh RUN
set -euo pipefail
unit=disgrafs-benchmark@$1.service
systemctl stop "$unit"
! systemctl --quiet is-active "$unit"
