#!/usr/bin/env bash
# From a client: checks that Redis answers with the password, refuses without it, and does not evict. Prints the round trip in
# us. Stores the password on the client for JuiceFS, in a file readable by root only.
# Usage: check.sh ADDRESS PORT <<<PASSWORD
set -euo pipefail
address=$1 port=$2
IFS= read -r password
put /etc/disgrafs/redis-password 0600 <<<"$password" || true
redis() { redis-cli -h "$address" -p "$port" "$@"; }

answer=$(redis ping 2>&1 || true)
if [[ $answer != NOAUTH* ]]; then
  echo "Redis on $address:$port answered without a password: $answer" >&2
  exit 1
fi
export REDISCLI_AUTH=$password
[ "$(redis ping)" = PONG ]
policy=$(redis config get maxmemory-policy | tail -n 1)
if [ "$policy" != noeviction ]; then
  echo "Redis evicts keys (maxmemory-policy $policy); JuiceFS would lose files" >&2
  exit 1
fi
# One connection with sequential GETs; enough of them that the client's start-up time does not matter.
start=$(date +%s%N)
redis -r 300 get disgrafs:absent >/dev/null
echo "$((($(date +%s%N) - start) / 300000))"
