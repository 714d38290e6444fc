#!/usr/bin/env bash
# Creates the destination folder for Neo4j. Usage: place.sh FOLDER
set -euo pipefail
mkdir -p "$1"
