#!/usr/bin/env bash
# Removes what rayState.sh created.
set -euo pipefail
systemctl -q disable --no-reload --now disgrafs-ray-state.service
rm -f /etc/systemd/system/disgrafs-ray-state.service
systemctl daemon-reload
