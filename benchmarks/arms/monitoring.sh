#!/usr/bin/env bash
# The arm monitoring: this client's exporters run and Prometheus scrapes them, as in a lab with monitoring. They are stopped in all
# other turns of the run. The count is the number of scrapes of the node exporter.
# Usage: monitoring.sh check|enable|prove|disable MOUNT
set -euo pipefail

settings=/etc/default/prometheus-node-exporter
units=(prometheus-node-exporter.service disgrafs-iostat.service)
# Only the Ray head has it.
[ ! -e /etc/systemd/system/disgrafs-ray-state.service ] || units+=(disgrafs-ray-state.service)

metrics() { curl -sf --max-time 10 "http://$(sed -n 's/.*--web.listen-address=\([^ ]*\).*/\1/p' "$settings")/metrics"; }

case $1 in
check)
  if [ ! -e /etc/systemd/system/disgrafs-iostat.service ]; then
    echo "the lab is not watched: ./lab up -c monitoring=true" >&2
    exit 1
  fi
  ;;
enable)
  systemctl start "${units[@]}"
  for _ in $(seq 100); do
    if metrics >/dev/null; then exit 0; fi
    sleep 0.3
  done
  echo "the node exporter does not answer" >&2
  exit 1
  ;;
prove)
  active=true
  for unit in "${units[@]}"; do systemctl is-active -q "$unit" || active=false; done
  count=$(metrics | awk '/^promhttp_metric_handler_requests_total\{code="200"\}/ { print $2 }' || true)
  echo "{\"active\": $active, \"count\": ${count:-0}}"
  ;;
disable)
  systemctl stop "${units[@]}"
  ;;
*)
  echo "usage: monitoring.sh check|enable|prove|disable MOUNT, not $1" >&2
  exit 2
  ;;
esac
