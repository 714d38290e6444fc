#!/usr/bin/env bash
# Asks for one file of the mount until the kernel answers by itself: the extension's pieces of work (hits; in the mode `off`,
# which serves nothing, requests seen) must move.
set -euo pipefail
loader=/opt/disgrafs/extensions/fuse/bin/fuse
mount=$(sed -n "s/.*--mount \([^ ']*\).*/\1/p" /etc/disgrafs/extensions/fuse)
if [ "$(findmnt -no FSTYPE "$mount" || true)" != fuse.juicefs ]; then
  echo "$mount is not a JuiceFS mount: mount it first" >&2
  exit 1
fi
work() { "$loader" --status | jq '.work // 0'; }
# What the mount's own check has written, or the root of a volume without.
file=$mount/.disgrafs-check/$(hostname)
if [ ! -e "$file" ]; then file=$mount; fi
before=$(work)
for _ in $(seq 50); do
  for _ in $(seq 20); do stat "$file" >/dev/null; done
  if [ "$(work)" -gt "$before" ]; then exit 0; fi
  sleep 0.1
done
echo "1000 times stat $file, and none was answered in the kernel: $("$loader" --status | jq -c '.facts // "no status"')" >&2
exit 1
