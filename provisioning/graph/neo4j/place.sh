#!/usr/bin/env bash
# Makes the folder that Neo4j is copied to. Usage: place.sh FOLDER
set -euo pipefail
mkdir -p "$1"
