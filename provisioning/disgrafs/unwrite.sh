#!/usr/bin/env bash
# Removes what write.sh has written. Usage: unwrite.sh MOUNT-POINT
set -euo pipefail
rm -f "$1/.disgrafs-check/find-$(hostname)"
