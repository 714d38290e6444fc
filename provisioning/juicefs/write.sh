#!/usr/bin/env bash
# Writes this client's stamp into the volume for the other clients, and prints it.
# Usage: write.sh MOUNT-POINT
set -euo pipefail
folder=$1/.disgrafs-check
mkdir -p "$folder"
stamp="$(hostname) $(date +%s%N)"
echo "$stamp" >"$folder/$(hostname)"
echo "$stamp"
