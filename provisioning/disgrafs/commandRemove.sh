#!/usr/bin/env bash
# Removes the command `disgrafs` and its token from a node.
set -euo pipefail
rm -f /usr/local/bin/disgrafs /etc/disgrafs/api-token
