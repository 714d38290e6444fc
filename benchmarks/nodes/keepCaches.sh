#!/usr/bin/env bash
# Takes away what dropCaches.sh made.
set -euo pipefail
systemctl disable --now disgrafs-drop-caches.socket
rm -f /etc/systemd/system/disgrafs-drop-caches.socket /etc/systemd/system/disgrafs-drop-caches@.service \
  /usr/local/lib/disgrafs/drop-caches
systemctl daemon-reload
if systemctl --quiet is-active disgrafs-drop-caches.socket; then
  echo "disgrafs-drop-caches.socket is still active" >&2
  exit 1
fi
