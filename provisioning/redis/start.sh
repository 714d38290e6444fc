#!/usr/bin/env bash
# Redis for JuiceFS's metadata: on the private address only, with a password, never evicting, with an append-only file.
# Usage: start.sh ADDRESS PORT <<<PASSWORD
set -euo pipefail
address=$1 port=$2
IFS= read -r password

restart=no
put /etc/redis/password.conf 0640 root:redis <<<"requirepass $password" && restart=yes
put /etc/redis/redis.conf 0640 root:redis <<END && restart=yes
bind $address
port $port
protected-mode yes
include /etc/redis/password.conf
dir /var/lib/redis
appendonly yes
appendfsync everysec
# A metadata store must never drop a key: JuiceFS's own check asks for the same.
maxmemory-policy noeviction
save ""
logfile ""
END
put /etc/disgrafs/redis-password 0600 <<<"$password" || true
start_unit redis-server.service "$restart"

export REDISCLI_AUTH=$password
wait_for 240 "Redis on $address:$port" redis-cli -h "$address" -p "$port" ping
redis-cli -h "$address" -p "$port" info server | tr -d '\r' | sed -n 's/^redis_version://p'
