#!/usr/bin/env bash
# Removes what rayState.sh created.
set -euo pipefail
end_units disgrafs-ray-state.service
rm -f /etc/systemd/system/disgrafs-ray-state.service
systemctl daemon-reload
