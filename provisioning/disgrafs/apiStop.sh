#!/usr/bin/env bash
# Stops the API of DisGraFS, and removes its token.
set -euo pipefail
end_units disgrafs-api.service
rm -f /etc/systemd/system/disgrafs-api.service /etc/disgrafs/api-token
systemctl daemon-reload
