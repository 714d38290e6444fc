#!/usr/bin/env bash
# Connects to this machine's Redis from the extension's cgroup, and sends PING. Any answer is traffic, even the error that a password
# is required.
set -euo pipefail
options=/etc/disgrafs/extensions/redis-sockmap
port=$(sed -n 's/.*--port \([0-9]*\).*/\1/p' "$options")
group=$(sed -n "s/.*--cgroup \([^ ']*\).*/\1/p" "$options")
address=$(ss -Hltn "sport = :$port" | awk '{ sub(/:[0-9]+$/, "", $4); print $4; exit }')
if [ -z "$address" ]; then
  echo "nothing listens on port $port: start Redis first" >&2
  exit 1
fi
case $address in
'*' | 0.0.0.0 | '[::]') address=127.0.0.1 ;;
esac
# cgroup v2 allows processes only in leaves.
leaf=$group/disgrafs-probe
mkdir "$leaf"
trap 'rmdir "$leaf"' EXIT
bash -c 'echo $$ >"$1/cgroup.procs" && exec timeout 20 redis-cli -h "$2" -p "$3" ping' - "$leaf" "${address//[\[\]]/}" "$port" >/dev/null
