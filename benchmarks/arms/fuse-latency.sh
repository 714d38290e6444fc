#!/usr/bin/env bash
# Arm of the extension fuse-latency: see extension.sh beside this file.
set -euo pipefail
exec bash "$(dirname "$0")/extension.sh" fuse-latency "$1"
