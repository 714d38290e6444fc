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
# systemd's default of 90 s is too short for a busy or emulated machine.
put /etc/systemd/system/redis-server.service.d/disgrafs.conf 0644 <<END && restart=yes
[Service]
TimeoutStartSec=15min
END

# A power cut can leave zeros at the end of the append-only file, if the file system had extended it before the data was
# written. Redis then refuses to start and does not repair it. This cuts off the end that was not yet synced (one second, by
# appendfsync) and keeps a copy of the original file.
damaged() {
  journalctl -q -u redis-server.service -n 50 -o cat | grep 'Bad file format reading the append only file' >/dev/null
}
repair() {
  local folder=/var/lib/redis/appendonlydir copy
  copy=$folder.damaged-$(date -u +%Y%m%dT%H%M%SZ)
  cp -a "$folder" "$copy"
  echo "Redis's append-only file was damaged at its end, as after a power cut. It was copied to $copy and repaired" >&2
  runuser -u redis -- redis-check-aof --fix "$folder/appendonly.aof.manifest" <<<y 2>&1 |
    grep -E 'diff=|ok_up_to|truncated|not valid' >&2
  find "$folder" "$copy" -name '*.aof' -printf '%p: %s bytes\n' | sort >&2
}
if ! start_unit redis-server.service "$restart"; then
  systemctl stop redis-server.service
  damaged || exit 1
  repair
  start_unit redis-server.service yes
fi

export REDISCLI_AUTH=$password
wait_for 240 "Redis on $address:$port" redis-cli -h "$address" -p "$port" ping
redis-cli -h "$address" -p "$port" info server | tr -d '\r' | sed -n 's/^redis_version://p'
