#!/usr/bin/env bash
# Arm of the extension packet-dma: see extension.sh beside this file.
set -euo pipefail
exec bash "$(dirname "$0")/extension.sh" packet-dma "$1"
