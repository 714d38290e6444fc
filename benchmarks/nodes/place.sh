#!/usr/bin/env bash
# Installs the plan of a run and its systemd unit on the Ray head. Stops any other run.
# Usage: place.sh RUN PLAN
set -euo pipefail
run=$1 plan=$2

put "/var/lib/disgrafs/benchmarks/$run/plan.json" 0644 <<<"$plan" || true
put /etc/systemd/system/disgrafs-benchmark@.service 0644 <<'UNIT' || true
[Unit]
Description=disgrafs-lab benchmark run %i

[Service]
Type=exec
# HOME is set because Ray looks for its token there.
Environment=HOME=/root PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RAY_USAGE_STATS_ENABLED=0
# Ray passes the driver's folder to its workers, so that they find the same code.
WorkingDirectory=/opt/disgrafs/benchmarks
ExecStart=/opt/disgrafs/venv/bin/python -m disgrafs_benchmark /var/lib/disgrafs/benchmarks/%i
# On TERM, the driver ends the workloads on all nodes. If the driver is killed, their lifeline ends them.
ExecStopPost=rm -f /var/lib/prometheus/node-exporter/disgrafs-benchmark.prom
KillMode=mixed
TimeoutStopSec=80
UNIT
reload_changed "disgrafs-benchmark@$run.service"

for unit in $(systemctl list-units --plain --no-legend --state=active,activating 'disgrafs-benchmark@*' | cut -d' ' -f1); do
  [[ $unit == "disgrafs-benchmark@$run.service" ]] || systemctl stop "$unit"
done
systemctl cat "disgrafs-benchmark@$run.service" >/dev/null
