#!/usr/bin/env bash
# Removes the socket of answer.sh.
set -euo pipefail
systemctl disable --no-reload --now disgrafs-node.socket
systemctl stop 'disgrafs-node@*.service'
rm -f /etc/systemd/system/disgrafs-node.socket /etc/systemd/system/disgrafs-node@.service /usr/local/lib/disgrafs/answer
systemctl daemon-reload
if systemctl --quiet is-active disgrafs-node.socket; then
  echo "disgrafs-node.socket is still active" >&2
  exit 1
fi
