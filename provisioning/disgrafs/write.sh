#!/usr/bin/env bash
# Writes a file with a unique word for DisGraFS to find. Prints the path, the word and the time.
# Usage: write.sh MOUNT-POINT
set -euo pipefail
folder=$1/.disgrafs-check
mkdir -p "$folder"
word=probe$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n' | tr 0-9 g-p)
echo "$word" >"$folder/find-$(hostname)"
echo ".disgrafs-check/find-$(hostname) $word $(date +%s.%N)"
