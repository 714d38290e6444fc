#!/usr/bin/env bash
# Creates the destination folder for the packages of Ray's metrics. Usage: place.sh FOLDER
set -euo pipefail
mkdir -p "$1"
