#!/usr/bin/env bash
# Queries one file of the mount until the kernel answers: the extension's counter of work (hits; in mode `off`, which serves
# nothing, requests seen) must increase. If the kernel also keeps answers, that is a new file: it may have those of an older one
# for up to a minute. If reads are answered too, the new file, which JuiceFS caches when it is written, is read until the kernel
# has done it.
set -euo pipefail
loader=/opt/disgrafs/extensions/fuse/bin/fuse
own=/etc/disgrafs/extensions/fuse
mount=$(sed -n "s/.*--mount \([^ ']*\).*/\1/p" "$own")
if [ "$(findmnt -no FSTYPE "$mount" || true)" != fuse.juicefs ]; then
  echo "$mount is not a JuiceFS mount: mount it first" >&2
  exit 1
fi
has() { grep -q -- "$1" "$own"; }
# The file from the mount's check, or the root of a volume without it.
file=$mount/.disgrafs-check/$(hostname)
if [ ! -e "$file" ]; then file=$mount; fi
if has '--reads' || has '--kernel-cache on'; then
  file=$mount/.disgrafs-probe-$(hostname)
  trap 'rm -f "$file"' EXIT
  echo "answered in the kernel" >"$file"
fi

# proves COUNTER PAUSE COMMAND WORD...: the counter increases when the command is run again and again.
proves() {
  local counter=$1 pause=$2 before
  shift 2
  count() { "$loader" --status | jq "$counter // 0"; }
  before=$(count)
  for _ in $(seq 50); do
    for _ in $(seq 20); do "$@" >/dev/null; done
    if [ "$(count)" -gt "$before" ]; then return; fi
    sleep "$pause"
  done
  echo "1000 times $*, but the kernel answered none: $("$loader" --status | jq -c '.facts // "no status"')" >&2
  exit 1
}
proves .work 0.1 stat "$file"
# Not from the pages that writing it has left, which may come first.
reads() { dd if="$file" of=/dev/null bs=4096 iflag=nocache count=0 status=none && cat "$file"; }
if has '--reads'; then proves .facts.reads 0.4 reads; fi
