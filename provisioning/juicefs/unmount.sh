#!/usr/bin/env bash
# Flushes and unmounts. Fails while blocks wait for upload, because they would be lost with the machine. Removes only this
# volume's files from the cache folder.
# Usage: unmount.sh MOUNT-POINT CACHE-DIR UUID
set -euo pipefail
mount_point=$1 cache_dir=$2 uuid=$3
if ! [[ $uuid =~ ^[0-9a-f-]{36}$ ]]; then
  echo "\"$uuid\" is not the UUID of a volume; nothing was removed" >&2
  exit 1
fi
end_units juicefs.service
waiting=0
if [ -d "$cache_dir/$uuid" ]; then waiting=$(find "$cache_dir/$uuid" -path '*/rawstaging/*' -type f | wc -l); fi
if [ "$waiting" -gt 0 ]; then
  echo "$waiting blocks below $cache_dir have not been uploaded; mount the volume again so that they are" >&2
  exit 1
fi
if mountpoint -q "$mount_point"; then
  echo "$mount_point is still mounted" >&2
  exit 1
fi
rm -rf /etc/systemd/system/juicefs.service /etc/disgrafs/juicefs.env "${cache_dir:?}/${uuid:?}"
# Remove the folders made for the mount if they are empty.
rmdir --ignore-fail-on-non-empty "$cache_dir" "$mount_point" 2>/dev/null || true
systemctl daemon-reload
