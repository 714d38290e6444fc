#!/usr/bin/env bash
# Looks up random keys through the doors, and compares each with the same lookup by reads. The programs must have run once for each
# node read; the kernel counts their runs during this script (verify.sh). More runs are accepted if another process has a door
# open, because it may run them too. On a blank disk, this first builds an index of /etc to look up.
set -euo pipefail
bin=/opt/disgrafs/extensions/storage-chain/bin
chmod 755 "$bin/schain"
image=$(readlink /run/disgrafs/storage-chain/device)
if [ "$(head -c 1048576 "$image" | tr -d '\0' | head -c 1 | wc -c)" -eq 0 ]; then
  "$bin/schain" build /etc "$image" >&2
fi
runs() { "$bin/storage-chain" --status | jq '[.programs[].runCount] | add'; }
# Number of open files that are doors.
open_doors() {
  local doors
  doors=$(find /run/disgrafs/storage-chain -type l ! -name device -printf '-lname %l -o ')
  # shellcheck disable=SC2086 # several words for find
  { find /proc/[0-9]*/fd $doors -false 2>/dev/null || true; } | wc -l
}
others=$(open_doors) before=$(runs)
if ! answer=$("$bin/schain" verify --via chain --count 100); then
  echo "lookups through the doors differ from lookups by reads: $(tail -n 1 <<<"$answer")" >&2
  exit 1
fi
hops=$(tail -n 1 <<<"$answer" | jq .hops)
after=$(runs) others=$((others + $(open_doors)))
if [ "$((after - before))" -lt "$hops" ] || { [ "$((after - before))" -gt "$hops" ] && [ "$others" -eq 0 ]; }; then
  echo "$hops nodes were read, but the programs ran $((after - before)) times" >&2
  exit 1
fi
