#!/usr/bin/env bash
# Stops Redis and removes its data and its password.
set -euo pipefail
end_units redis-server.service
rm -rf /var/lib/redis/appendonlydir /var/lib/redis/damaged-* /etc/redis/password.conf /etc/disgrafs/redis-password \
  /usr/local/lib/disgrafs/cut-zeros
