#!/usr/bin/env bash
# Removes DisGraFS's package and models from a client.
# Usage: remove.sh APP
set -euo pipefail
rm -rf "${1:?}" /var/cache/disgrafs-models
