#!/usr/bin/env bash
# Makes the volume if Redis holds none, and compares its settings if it does: formatting over a volume in use loses data.
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
  # Nothing is kept for later in a lab's trash: deleted files would stay and count in the benchmarks.
  juicefs format --no-color --storage "$storage" --bucket "$bucket" --trash-days 0 "$meta" "$volume" \
    >/tmp/disgrafs-format.log 2>&1 || { tail -n 5 /tmp/disgrafs-format.log >&2; exit 1; }
  found=$(juicefs config "$meta" 2>/dev/null)
fi
rm -f /tmp/disgrafs-format.log
differ() {
  local has
  has=$(jq -r --arg key "$1" '.[$key] | tostring' <<<"$found")
  [ "$has" = "$2" ] && return
  echo "the volume in Redis has $1 \"$has\", and the settings say \"$2\"; a volume's $1 cannot be changed: put the" \
    "setting back, or take the lab down (./lab down) and up again, which removes the data" >&2
  exit 1
}
differ Name "$volume"
differ Storage "$storage"
# JuiceFS keeps the folder of file storage with a slash at its end.
[ "$storage" = file ] || differ Bucket "$bucket"
# A client that is mounted already learns of it when it mounts again: see mount.sh.
if [ "$(jq -r '.ChangeLog // false' <<<"$found")" != "$changelog" ]; then
  juicefs config "$meta" --changelog="$changelog" --changelog-max-age 168h --yes >/tmp/disgrafs-format.log 2>&1 ||
    { tail -n 5 /tmp/disgrafs-format.log >&2; exit 1; }
  rm -f /tmp/disgrafs-format.log
fi
jq -r .UUID <<<"$found"
