#!/usr/bin/env bash
# Takes away what rayState.sh made.
set -euo pipefail
systemctl -q disable --now disgrafs-ray-state.service
rm -f /etc/systemd/system/disgrafs-ray-state.service
systemctl daemon-reload
