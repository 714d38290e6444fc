#!/usr/bin/env bash
# Stops the object store and removes its data and its keys.
set -euo pipefail
systemctl disable --now weed.service
rm -rf /var/lib/weed /etc/disgrafs/s3.json /etc/systemd/system/weed.service
systemctl daemon-reload
