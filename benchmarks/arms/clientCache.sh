#!/usr/bin/env bash
# The arm client-cache: JuiceFS caches metadata itself, and Redis pushes changes (CLIENT TRACKING). A mount option enables it. It
# is active if Redis has a connection from this machine with the flag t.
# Usage: clientCache.sh check|enable|prove|disable MOUNT
set -euo pipefail

case $1 in
check | enable | disable) ;;
prove)
  # shellcheck source-path=SCRIPTDIR
  . "${0%/*}/volumeRedis.sh"
  own=$(ip -json route get "$redis_host" | jq -r '.[0].prefsrc')
  password=/etc/disgrafs/redis-password
  if [ -e "$password" ]; then REDISCLI_AUTH=$(cat "$password"); export REDISCLI_AUTH; fi
  # Form of a line: id=3 addr=10.77.0.11:41234 ... flags=t ...
  redis-cli -u "$JUICEFS_META" client list | jq -cnR --arg own "addr=$own:" '
    [inputs | split(" ") | select(any(.[]; startswith($own)) and any(.[]; test("^flags=.*t")))]
    | {active: (length > 0), count: null}'
  ;;
*)
  echo "usage: clientCache.sh check|enable|prove|disable MOUNT, not $1" >&2
  exit 2
  ;;
esac
