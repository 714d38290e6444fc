#!/usr/bin/env bash
# Removes the file from write.sh. Usage: unwrite.sh MOUNT-POINT
set -euo pipefail
rm -f "$1/.disgrafs-check/find-$(hostname)"
