#!/usr/bin/env bash
# On the Ray head: starts a unit that exports the head's view of the cluster to Prometheus.
# Usage: rayState.sh VENV ADDRESS GCS-PORT PORT
set -euo pipefail
venv=$1 address=$2 gcs=$3 port=$4
program=/opt/disgrafs/monitoring/ray_state.py

restart=no
put /etc/systemd/system/disgrafs-ray-state.service 0644 <<END && restart=yes
# $(sha256sum "$program")
[Unit]
Description=Ray's state for Prometheus (disgrafs-lab)
After=ray.service
[Service]
# Ray looks for its token there, if it uses one.
Environment=HOME=/root
ExecStart=$venv/bin/python $program $address:$gcs $address $port
# Without Ray it exits after a minute.
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
END
start_unit disgrafs-ray-state.service "$restart"
# It imports Ray first, which takes half a minute on an emulated machine.
wait_for 120 "Ray's state at $address:$port" curl -sf --max-time 20 "http://$address:$port/metrics"
curl -sf "http://$address:$port/metrics" | sed -n 's/^disgrafs_ray_nodes{state="alive"} //p'
