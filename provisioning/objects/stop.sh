#!/usr/bin/env bash
# Stops the object store and removes its data and its keys.
set -euo pipefail
end_units weed.service
nft delete table inet disgrafs_weed 2>/dev/null || true
rm -rf /var/lib/weed /etc/disgrafs/s3.json /etc/disgrafs/weed.nft /etc/systemd/system/weed.service
systemctl daemon-reload
