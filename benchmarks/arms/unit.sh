#!/usr/bin/env bash
# Arms that differ from the baseline by one extension. The lab has installed, verified and stopped it (bpf/pipeline); the arm only
# starts and stops its unit.
# Usage: unit.sh NAME check|enable|prove|disable MOUNT
set -euo pipefail
name=$1 action=$2
unit=disgrafs-extension@$name.service
folder=/opt/disgrafs/extensions/$name
loader=$folder/bin/$name

case $action in
check)
  if [ ! -e "$folder/verdict.json" ]; then
    echo "the extension $name is not on this machine" >&2
    exit 1
  fi
  if [ "$(jq .supported "$folder/verdict.json")" != true ]; then
    jq -r '"unsupported: \(.reason); needed: \(.needed)"' "$folder/verdict.json" >&2
    exit 1
  fi
  ;;
enable)
  systemctl start "$unit"
  ;;
prove)
  active=false
  if systemctl is-active -q "$unit"; then active=true; fi
  "$loader" --status | jq -c --argjson active "$active" '{
    active: ($active and (.programs | length > 0)),
    count: (.work // 0),
    programs: [.programs[] | {name, tag}]
  }'
  ;;
disable)
  systemctl stop "$unit"
  # Also removes leftovers of a killed loader; fails if anything remains.
  "$loader" --remove
  ;;
*)
  echo "usage: unit.sh NAME check|enable|prove|disable MOUNT, not $action" >&2
  exit 2
  ;;
esac
