#!/usr/bin/env bash
# Makes the folder that DisGraFS's package is copied to.
# Usage: place.sh APP
set -euo pipefail
mkdir -p "$1"
