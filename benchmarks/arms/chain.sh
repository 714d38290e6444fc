#!/usr/bin/env bash
# The arms of lookups on the data disk (docs/storage-chain.md): through a door in one mode, or by an alternative. This script
# writes the method of lookup to a file that the workload's program reads (runner/disgrafs_benchmark/lookup.py).
# Usage: chain.sh wq|poll|irq|dm-pread|io-uring|io-uring-poll check|enable|prove|disable MOUNT
#   The count of `prove`: nodes read through the doors; for dm-pread, reads from the linear device; for the others, none.
set -euo pipefail
way=$1 action=$2 mount=${3:-}
name=storage-chain
unit=disgrafs-extension@$name.service
loader=/opt/disgrafs/extensions/$name/bin/$name
own=/etc/disgrafs/extensions/$name
instead=/run/disgrafs/extension-$name.env
words=/run/disgrafs/lookup-way

case $way in
wq | irq) mode=$way lookups=(--via chain) ;;
poll) mode=poll lookups=(--via chain --poll ring) ;;
# If --image is given twice, the last one is used.
dm-pread) mode=wq lookups=(--via read --image "/run/disgrafs/$name/linear") ;;
io-uring) mode='' lookups=(--via read ring) ;;
io-uring-poll) mode='' lookups=(--via read --poll ring) ;;
*) echo "usage: chain.sh wq|poll|irq|dm-pread|io-uring|io-uring-poll ACTION, not $way" >&2 && exit 2 ;;
esac

stop() {
  rm -f "$words"
  if [ -n "$mode" ]; then
    systemctl stop "$unit"
    rm -f "$instead"
    # Also removes leftovers of a killed loader; fails if anything remains.
    "$loader" --remove
  fi
}
# Whether the loader runs in this arm's state.
in_force() {
  [ -e "$words" ] && [ "$(cat "$words")" = "$(printf '%s\n' "${lookups[@]}")" ] || return 1
  [ -n "$mode" ] || return 0
  systemctl is-active -q "$unit" && [ "$("$loader" --status | jq -r .facts.mode)" = "$mode" ]
}

case $action in
check)
  [ -n "$mode" ] || exit 0
  bash "$(dirname "$0")/unit.sh" "$name" check "$mount"
  # The lab has verified its configured mode only, and modes have different requirements. Only one loader can run at a time.
  if systemctl is-active -q "$unit"; then exit 0; fi
  verdict=$("$loader" --preflight --mode "$mode")
  if [ "$(jq .supported <<<"$verdict")" != true ]; then
    jq -r '"unsupported: \(.reason); needed: \(.needed)"' <<<"$verdict" >&2
    exit 1
  fi
  ;;
enable)
  mkdir -p /run/disgrafs
  stop
  if [ -n "$mode" ]; then
    # shellcheck source=/dev/null # OPTIONS='...'
    . "$own"
    linear=''
    if [ "$way" = dm-pread ]; then linear=' --linear'; fi
    # If an option is given twice, the last one is used.
    echo "OPTIONS='$OPTIONS --mode $mode$linear'" >"$instead"
    if ! systemctl start "$unit"; then
      journalctl --no-pager -q -o cat -n 20 -u "$unit" >&2
      exit 1
    fi
  fi
  printf '%s\n' "${lookups[@]}" >"$words"
  ;;
disable)
  # Without these options, the lab's own loader is running.
  if [ -e "$words" ]; then stop; fi
  ;;
prove)
  if ! in_force; then
    echo '{"active": false, "count": 0}'
  elif [ -z "$mode" ]; then
    echo '{"active": true, "count": null}'
  elif [ "$way" = dm-pread ]; then
    device=$(basename "$(readlink "/run/disgrafs/$name/linear")")
    read -r reads _ <"/sys/block/$device/stat"
    echo "{\"active\": true, \"count\": $reads}"
  else
    "$loader" --status | jq -c '{active: true, count: .facts.reads, programs: [.programs[] | {name, tag}]}'
  fi
  ;;
*)
  echo "usage: chain.sh WAY check|enable|prove|disable MOUNT, not $action" >&2
  exit 2
  ;;
esac
