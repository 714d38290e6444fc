#!/usr/bin/env bash
# The arm redis-sockmap: the extension's unit, as in unit.sh. The extension applies only to connections opened while it runs, so
# existing ones are closed, and JuiceFS opens new ones.
# Usage: redisSockmap.sh check|enable|prove|disable MOUNT
set -euo pipefail
bash "${0%/*}/unit.sh" redis-sockmap "$@"
[ "$1" = enable ] || exit 0
# shellcheck source-path=SCRIPTDIR
. "${0%/*}/volumeRedis.sh"
ss -HK "dport = :$redis_port" >/dev/null
