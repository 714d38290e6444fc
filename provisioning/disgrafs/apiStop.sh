#!/usr/bin/env bash
# Stops the API of DisGraFS, and removes its token.
set -euo pipefail
systemctl disable --no-reload --now disgrafs-api.service
rm -f /etc/systemd/system/disgrafs-api.service /etc/disgrafs/api-token
systemctl daemon-reload
if systemctl -q is-active disgrafs-api.service; then
  echo "disgrafs-api.service is still active" >&2
  exit 1
fi
