#!/usr/bin/env bash
# Removes a folder with what was copied into it. Usage: remove.sh FOLDER
set -euo pipefail
rm -rf "${1:?}"
