#!/usr/bin/env bash
# Creates the volume if Redis has none. Otherwise compares its settings, because formatting a volume in use loses data.
# Usage: format.sh META-URL VOLUME STORAGE BUCKET [CHANGELOG] <<<$'ACCESS-KEY\nSECRET-KEY' (two empty lines: no keys)
set -euo pipefail
meta=$1 volume=$2 storage=$3 bucket=$4 changelog=${5:-false}
IFS= read -r ACCESS_KEY
IFS= read -r SECRET_KEY
export ACCESS_KEY SECRET_KEY META_PASSWORD_FILE=/etc/disgrafs/redis-password
export JFS_NO_UPDATE_CHECK=1

if ! found=$(juicefs config "$meta" 2>/tmp/disgrafs-format.log); then
  if ! grep -q 'database is not formatted' /tmp/disgrafs-format.log; then
    tail -n 5 /tmp/disgrafs-format.log >&2
    exit 1
  fi
  # No trash: deleted files would remain and affect benchmarks.
  juicefs format --no-color --storage "$storage" --bucket "$bucket" --trash-days 0 "$meta" "$volume" \
    >/tmp/disgrafs-format.log 2>&1 || { tail -n 5 /tmp/disgrafs-format.log >&2; exit 1; }
  found=$(juicefs config "$meta" 2>/dev/null)
fi
rm -f /tmp/disgrafs-format.log
differ() {
  local has
  has=$(jq -r --arg key "$1" '.[$key] | tostring' <<<"$found")
  [ "$has" = "$2" ] && return
  echo "the volume in Redis has $1 \"$has\", but the settings say \"$2\"; a volume's $1 cannot be changed: restore the" \
    "setting, or remove the lab (./lab down) and create it again, which deletes the data" >&2
  exit 1
}
differ Name "$volume"
differ Storage "$storage"
# JuiceFS stores the folder of file storage with a trailing slash.
[ "$storage" = file ] || differ Bucket "$bucket"
# Mounted clients apply this setting when they remount: see mount.sh.
if [ "$(jq -r '.ChangeLog // false' <<<"$found")" != "$changelog" ]; then
  juicefs config "$meta" --changelog="$changelog" --changelog-max-age 168h --yes >/tmp/disgrafs-format.log 2>&1 ||
    { tail -n 5 /tmp/disgrafs-format.log >&2; exit 1; }
  rm -f /tmp/disgrafs-format.log
fi
jq -r .UUID <<<"$found"
