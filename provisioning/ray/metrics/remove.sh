#!/usr/bin/env bash
# Removes the packages of Ray's metrics. Usage: remove.sh FOLDER
set -euo pipefail
rm -rf "${1:?}"
