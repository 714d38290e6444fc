#!/usr/bin/env bash
# Queries one file of the mount until the kernel answers: the extension's counter of work (hits; in mode `off`, which serves
# nothing, requests seen) must increase. If reads are answered too, also reads a small file, which JuiceFS caches when it is
# written, until the kernel has read it.
set -euo pipefail
loader=/opt/disgrafs/extensions/fuse/bin/fuse
own=/etc/disgrafs/extensions/fuse
mount=$(sed -n "s/.*--mount \([^ ']*\).*/\1/p" "$own")
if [ "$(findmnt -no FSTYPE "$mount" || true)" != fuse.juicefs ]; then
  echo "$mount is not a JuiceFS mount: mount it first" >&2
  exit 1
fi
work() { "$loader" --status | jq '.work // 0'; }
# The file from the mount's check, or the root of a volume without it.
file=$mount/.disgrafs-check/$(hostname)
if [ ! -e "$file" ]; then file=$mount; fi
not_proven() {
  echo "$1, but the kernel answered none: $("$loader" --status | jq -c '.facts // "no status"')" >&2
  exit 1
}
proves_stat() {
  local before
  before=$(work)
  for _ in $(seq 50); do
    for _ in $(seq 20); do stat "$file" >/dev/null; done
    if [ "$(work)" -gt "$before" ]; then return; fi
    sleep 0.1
  done
  not_proven "1000 times stat $file"
}
proves_read() {
  local before small
  reads() { "$loader" --status | jq '.facts.reads // 0'; }
  small=$mount/.disgrafs-read-$(hostname)
  # shellcheck disable=SC2064 # expanded now, because $small is local
  trap "rm -f '$small'" EXIT
  echo "read in the kernel" >"$small"
  before=$(reads)
  for _ in $(seq 100); do
    cat "$small" >/dev/null
    if [ "$(reads)" -gt "$before" ]; then return; fi
    sleep 0.2
  done
  not_proven "100 times cat $small"
}
proves_stat
if grep -q -- '--reads cache' "$own"; then proves_read; fi
