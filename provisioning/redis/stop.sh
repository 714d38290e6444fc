#!/usr/bin/env bash
# Stops Redis and removes its data and its password.
set -euo pipefail
systemctl disable --no-reload --now redis-server.service
rm -rf /var/lib/redis/appendonlydir /etc/redis/password.conf /etc/disgrafs/redis-password
if systemctl -q is-active redis-server.service; then
  echo "redis-server.service is still active" >&2
  exit 1
fi
