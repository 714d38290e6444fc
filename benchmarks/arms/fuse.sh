#!/usr/bin/env bash
# The arms of the FUSE extension. The lab has installed and verified it (bpf/pipeline); an arm starts its unit with other options.
# Usage: fuse.sh notify|ttl|lease|lease-keep|read|lease-read|lease-keep-read|off check|enable|prove|disable MOUNT
#   notify: no module; the same pushes as notifications of the daemon. off: hooked, serves nothing. lease-keep: a lease, and
#   the kernel keeps each answer until it ends. lease-read: a lease, and read() is answered from the block cache. read (for a mount
#   with cache times) and lease-keep-read answer only what the mount's own pages do not have.
#   The count of `prove` increases with each request that the extension answers under a lease. Where it may rightly answer none
#   while the kernel's own cache is valid (ttl, lease-keep, read, lease-keep-read, off), it increases with each that the extension sees; for notify,
#   which sees none, with each heartbeat that Redis answers. Its reads and readBytes are what the module has read from block files; null if
#   reads are off.
set -euo pipefail
arm=$1 action=$2 mount=${3:-}
unit=disgrafs-extension@fuse.service
loader=/opt/disgrafs/extensions/fuse/bin/fuse
own=/etc/disgrafs/extensions/fuse
instead=/run/disgrafs/extension-fuse.env
metrics=9435 # extensionMetrics in provisioning/ports.ts

# The current mode, with -read if reads are answered and -keep if the kernel keeps answers, or "none". The lab's own agent may be
# running in any mode.
mode() {
  if systemctl is-active -q "$unit"; then
    "$loader" --status | jq -r '(.facts.mode // "notify") + (if .facts.reads then "-read" else "" end) +
      (if .facts.pageReads then "-after-pages" else "" end) + (if .facts.kernelCache then "-keep" else "" end)'
  else
    echo none
  fi
}
heartbeats() {
  curl --silent --show-error --fail --max-time 10 --retry 2 "http://127.0.0.1:$metrics/metrics" | awk '$1 == "efuse_redis_heartbeats_total" { print $2 }'
}
# Waits for the first lease: without one, the daemon answers everything.
leased() {
  local end=$((SECONDS + 60))
  until "$loader" --status | jq -e .facts.lease >/dev/null; do
    if [ $SECONDS -ge $end ]; then
      echo "the agent got no lease from Redis within 60 s" >&2
      journalctl --no-pager -q -o cat -n 20 -u "$unit" >&2
      exit 1
    fi
    sleep 0.1
  done
}
stop() {
  systemctl stop "$unit"
  rm -f "$instead"
  # Also removes leftovers of a killed agent; fails if anything remains.
  "$loader" --remove
}

case $arm in
notify) words="--sink notify --metrics $metrics" ;;
ttl | lease | off) words="--mode $arm" ;;
lease-keep) words="--mode lease --kernel-cache on" ;;
read) words="--mode lease --reads after-pages" arm=lease-read-after-pages ;;
lease-read) words="--mode lease --reads cache" ;;
lease-keep-read) words="--mode lease --reads after-pages --kernel-cache on" arm=lease-read-after-pages-keep ;;
*) echo "usage: fuse.sh notify|ttl|lease|lease-keep|read|lease-read|lease-keep-read|off ACTION, not $arm" >&2 && exit 2 ;;
esac
case $action in
check)
  exec bash "$(dirname "$0")/unit.sh" fuse check "$mount"
  ;;
enable)
  stop
  # shellcheck source=/dev/null # OPTIONS='...'
  . "$own"
  mkdir -p "$(dirname "$instead")"
  # If an option is given twice, the last one is used.
  echo "OPTIONS='${OPTIONS/ --shadow/} --reads off --kernel-cache off $words'" >"$instead"
  if ! systemctl start "$unit"; then
    journalctl --no-pager -q -o cat -n 20 -u "$unit" >&2
    exit 1
  fi
  case $arm in lease*) leased ;; esac
  ;;
disable)
  stop
  ;;
prove)
  if [ "$(mode)" != "$arm" ]; then
    echo '{"active": false, "count": 0}'
  elif [ "$arm" = notify ]; then
    count=$(heartbeats)
    echo "{\"active\": true, \"count\": $count}"
  else
    work=requests
    case $1 in lease | lease-read) work=hits ;; esac
    "$loader" --status | jq -c --arg work "$work" '{
      active: .facts.serving,
      count: .facts[$work],
      reads: .facts.reads,
      readBytes: .facts.readBytes,
      programs: [.programs[] | {name, tag}]
    }'
  fi
  ;;
*)
  echo "usage: fuse.sh ARM check|enable|prove|disable MOUNT, not $action" >&2
  exit 2
  ;;
esac
