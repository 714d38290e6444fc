#!/usr/bin/env bash
# Starts Redis for JuiceFS's metadata: on the private address only, with a password, without eviction, with an append-only file.
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
# A metadata store must never drop a key: JuiceFS checks this too.
maxmemory-policy noeviction
save ""
logfile ""
# At each of its ticks, 10 a second by default, Redis reads its memory's size from /proc, a fifth of what an idle lab used.
hz 2
END
put /etc/disgrafs/redis-password 0600 <<<"$password" || true
cut_zeros=/usr/local/lib/disgrafs/cut-zeros
put_cut_zeros "$cut_zeros" || true
# systemd's default of 90 s is too short for a busy or emulated machine. The unit's own sandbox allows no program but Redis ("+" is
# outside).
put /etc/systemd/system/redis-server.service.d/disgrafs.conf 0644 <<END && restart=yes
[Service]
TimeoutStartSec=15min
ExecStartPre=+/usr/bin/setpriv --reuid=redis --regid=redis --init-groups $cut_zeros /var/lib/redis
END
start_unit redis-server.service "$restart"

export REDISCLI_AUTH=$password
wait_for 240 "Redis on $address:$port" redis-cli -h "$address" -p "$port" ping
redis-cli -h "$address" -p "$port" info server | tr -d '\r' | sed -n 's/^redis_version://p'
