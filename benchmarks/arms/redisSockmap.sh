#!/usr/bin/env bash
# The arm redis-sockmap: the extension's unit, as in unit.sh. It takes connections that are made while it runs and leaves
# those that were there, so these are closed, and JuiceFS makes new ones.
# Usage: redisSockmap.sh check|enable|prove|disable MOUNT
set -euo pipefail
bash "${0%/*}/unit.sh" redis-sockmap "$@"
[ "$1" != enable ] || ss -HK "dport = :6379" >/dev/null
