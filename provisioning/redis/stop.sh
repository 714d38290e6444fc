#!/usr/bin/env bash
# Stops Redis and removes its data and its password.
set -euo pipefail
systemctl disable --now redis-server.service
rm -rf /var/lib/redis/appendonlydir /etc/redis/password.conf /etc/disgrafs/redis-password
! systemctl -q is-active redis-server.service
