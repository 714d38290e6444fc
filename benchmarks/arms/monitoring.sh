#!/usr/bin/env bash
# The arm monitoring: this client's exporters run and Prometheus scrapes them, as in a lab with monitoring. They are stopped in all
# other turns of the run. The count is the number of answers of the node exporter that Prometheus has stored since the exporter
# was started. The exporter's own count would include this script's questions, and answers that came too late.
# Usage: monitoring.sh check|enable|prove|disable MOUNT
set -euo pipefail

exporter=prometheus-node-exporter.service
units=("$exporter" disgrafs-iostat.service)
# Only the Ray head has it.
[ ! -e /etc/systemd/system/disgrafs-ray-state.service ] || units+=(disgrafs-ray-state.service)
# Where Prometheus is: exporters.sh of the lab wrote it.
server=/etc/disgrafs/prometheus
# Seconds that an arm's first answer may take: an emulated machine has just started three programs.
longest=120

# get PATH [NAME=VALUE]...: what Prometheus says, or a line that says that it does not.
get() {
  local path=$1 words=()
  shift
  for word in "$@"; do words+=(--data-urlencode "$word"); done
  curl -sS --fail --get --max-time 30 --retry 2 --retry-connrefused "${words[@]}" "http://$(cat "$server")$path" || {
    echo "Prometheus at $(cat "$server") does not answer: ./lab status" >&2
    return 1
  }
}
target() { sed -n 's/.*--web.listen-address=\([^ ]*\).*/\1/p' /etc/default/prometheus-node-exporter; }
stored() {
  local since now
  since=$(systemctl show -p ActiveEnterTimestampMonotonic --value "$exporter")
  now=$(awk '{ printf "%d", $1 }' /proc/uptime)
  # `up` is 1 for each answer, and 0 where none came.
  get /api/v1/query "query=sum_over_time(up{job=\"node\",instance=\"$(target)\"}[$((now - since / 1000000 + 1))s])" |
    jq '[.data.result[].value[1] | tonumber] | add // 0'
}

case $1 in
check)
  if [ ! -e "$server" ]; then
    echo "the lab is not watched: ./lab up -c monitoring=true" >&2
    exit 1
  fi
  get /-/ready >/dev/null
  ;;
enable)
  systemctl start "${units[@]}"
  count=0
  while [ "$count" -eq 0 ]; do
    if [ "$SECONDS" -ge "$longest" ]; then
      why=$(get '/api/v1/targets?state=active' |
        jq -r --arg target "$(target)" '.data.activeTargets[] | select(.labels.instance == $target) | .lastError')
      echo "Prometheus has had no answer of the node exporter for $longest s: ${why:-no error yet}" >&2
      exit 1
    fi
    sleep 1
    count=$(stored)
  done
  ;;
prove)
  active=true
  for unit in "${units[@]}"; do systemctl is-active -q "$unit" || active=false; done
  count=0
  if [ "$active" = true ]; then count=$(stored); fi
  echo "{\"active\": $active, \"count\": $count}"
  ;;
disable)
  systemctl stop "${units[@]}"
  ;;
*)
  echo "usage: monitoring.sh check|enable|prove|disable MOUNT, not $1" >&2
  exit 2
  ;;
esac
