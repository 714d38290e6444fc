#!/usr/bin/env bash
# Takes away what dropCaches.sh made.
set -euo pipefail
systemctl disable --now disgrafs-drop-caches.socket
rm -f /etc/systemd/system/disgrafs-drop-caches.socket /etc/systemd/system/disgrafs-drop-caches@.service \
  /usr/local/lib/disgrafs/drop-caches
systemctl daemon-reload
! systemctl --quiet is-active disgrafs-drop-caches.socket
