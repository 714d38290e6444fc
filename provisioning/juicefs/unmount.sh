#!/usr/bin/env bash
# Flushes and unmounts. Refuses to call it done while blocks wait for their upload: they would be lost with the machine.
# Usage: unmount.sh MOUNT-POINT CACHE-DIR
set -euo pipefail
mount_point=$1 cache_dir=$2
systemctl disable --now juicefs.service
waiting=0
if [ -d "$cache_dir" ]; then waiting=$(find "$cache_dir" -path '*/rawstaging/*' -type f | wc -l); fi
if [ "$waiting" -gt 0 ]; then
  echo "$waiting blocks below $cache_dir have not been uploaded; mount again and let them" >&2
  exit 1
fi
if mountpoint -q "$mount_point"; then
  echo "$mount_point is still mounted" >&2
  exit 1
fi
rm -rf /etc/systemd/system/juicefs.service /etc/disgrafs/juicefs.env "${cache_dir:?}"
systemctl daemon-reload
