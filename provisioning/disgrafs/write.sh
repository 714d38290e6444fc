#!/usr/bin/env bash
# Writes a file for DisGraFS to find, with a word in it that nobody else has written. Prints path, word and when it was.
# Usage: write.sh MOUNT-POINT
set -euo pipefail
folder=$1/.disgrafs-check
mkdir -p "$folder"
word=probe$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n' | tr 0-9 g-p)
echo "$word" >"$folder/find-$(hostname)"
echo ".disgrafs-check/find-$(hostname) $word $(date +%s.%N)"
