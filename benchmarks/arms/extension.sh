#!/usr/bin/env bash
# What the arms of extensions share. An extension was put on the machine and proven when the lab came up
# (provisioning/extensions); an arm only starts and stops its unit.
# Usage: extension.sh NAME enable|disable|prove
#   prove prints {"active": true|false, "count": N}: N grows with each piece of work that the extension does.
set -euo pipefail
name=$1 action=$2
unit=disgrafs-extension@$name.service
loader=/opt/disgrafs/extensions/$name/bin/$name

case $action in
enable)
  if [ ! -x "$loader" ]; then
    echo "extension $name is not on this machine: add it to the setting extensions" >&2
    exit 1
  fi
  systemctl start "$unit"
  ;;
disable)
  systemctl stop "$unit"
  # Also what a loader left that was killed; fails when anything stays.
  "$loader" --remove
  ;;
prove)
  active=false
  if systemctl is-active -q "$unit"; then active=true; fi
  "$loader" --status | jq -c --argjson active "$active" '{active: ($active and (.programs | length > 0)), count: (.work // 0)}'
  ;;
*)
  echo "usage: extension.sh NAME enable|disable|prove, not $action" >&2
  exit 2
  ;;
esac
