#!/usr/bin/env bash
# Removes the copy of Neo4j. Usage: remove.sh FOLDER
set -euo pipefail
rm -rf "${1:?}"
