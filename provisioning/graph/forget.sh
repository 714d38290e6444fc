#!/usr/bin/env bash
# Removes the graph's password from a node that used it.
set -euo pipefail
rm -f /etc/disgrafs/graph-password
