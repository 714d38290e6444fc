#!/usr/bin/env bash
# Puts the plan of a run and the unit that carries it out on the Ray head. Another run that is still going is stopped.
# Usage: place.sh RUN PLAN
set -euo pipefail
run=$1 plan=$2

put "/var/lib/disgrafs/benchmarks/$run/plan.json" 0644 <<<"$plan" || true
put /etc/systemd/system/disgrafs-benchmark@.service 0644 <<'UNIT' || true
[Unit]
Description=disgrafs-lab benchmark run %i

[Service]
Type=exec
# HOME: Ray's token, where it uses one, is found there.
Environment=HOME=/root PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RAY_USAGE_STATS_ENABLED=0
# Ray gives the driver's folder to its workers, so that they find the same code.
WorkingDirectory=/opt/disgrafs/benchmarks
ExecStart=/opt/disgrafs/venv/bin/python -m disgrafs_benchmark /var/lib/disgrafs/benchmarks/%i
# The driver ends the workloads on all nodes when it gets TERM; should it be killed, they end with their lifeline.
ExecStopPost=rm -f /var/lib/prometheus/node-exporter/disgrafs-benchmark.prom
KillMode=mixed
TimeoutStopSec=80
UNIT
systemctl daemon-reload

for unit in $(systemctl list-units --plain --no-legend --state=active,activating 'disgrafs-benchmark@*' | cut -d' ' -f1); do
  [[ $unit == "disgrafs-benchmark@$run.service" ]] || systemctl stop "$unit"
done
systemctl cat "disgrafs-benchmark@$run.service" >/dev/null
