#!/usr/bin/env bash
# The arms of lookups on the data disk (docs/storage-chain.md): through a door in one mode, or by one of the rivals. The
# workload's program reads from a file in which way it is to look things up (runner/disgrafs_benchmark/lookup.py).
# Usage: chain.sh wq|poll|irq|dm-pread|io-uring|io-uring-poll check|enable|prove|disable MOUNT
#   The count that prove gives: nodes read through the doors; of dm-pread, reads from the linear device; of others, none.
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
# The later --image wins.
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
    # Also what a loader left that was killed; fails when anything stays.
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
  # The lab has proven it in its own mode; each has needs of its own. Two loaders cannot be tried at once.
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
    # Later options win.
    echo "OPTIONS='$OPTIONS --mode $mode$linear'" >"$instead"
    if ! systemctl start "$unit"; then
      journalctl --no-pager -q -o cat -n 20 -u "$unit" >&2
      exit 1
    fi
  fi
  printf '%s\n' "${lookups[@]}" >"$words"
  ;;
disable)
  # Without the words it is the lab's own that runs.
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
