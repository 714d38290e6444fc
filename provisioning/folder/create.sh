#!/usr/bin/env bash
# Creates a folder into which files are copied. Usage: create.sh FOLDER
set -euo pipefail
mkdir -p "$1"
