#!/usr/bin/env bash
# Creates the destination folder for DisGraFS's package.
# Usage: place.sh APP
set -euo pipefail
mkdir -p "$1"
