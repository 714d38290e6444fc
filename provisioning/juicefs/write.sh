#!/usr/bin/env bash
# Writes this client's stamp into the volume, for the others to read; prints it.
# Usage: write.sh MOUNT-POINT
set -euo pipefail
folder=$1/.disgrafs-check
mkdir -p "$folder"
stamp="$(hostname) $(date +%s%N)"
echo "$stamp" >"$folder/$(hostname)"
echo "$stamp"
