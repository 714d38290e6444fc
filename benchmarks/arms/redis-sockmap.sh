#!/usr/bin/env bash
# Arm of the extension redis-sockmap: see extension.sh beside this file.
set -euo pipefail
exec bash "$(dirname "$0")/extension.sh" redis-sockmap "$1"
