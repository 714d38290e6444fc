#!/usr/bin/env bash
# On the Ray head: a unit that tells Prometheus what the head knows of the cluster.
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
# Ray's token, where it uses one, is found there.
Environment=HOME=/root
ExecStart=$venv/bin/python $program $address:$gcs $address $port
# Without Ray it ends itself after a minute.
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
END
start_unit disgrafs-ray-state.service "$restart"
# It imports Ray first, which takes an emulated machine half a minute.
wait_for 120 "Ray's state at $address:$port" curl -sf --max-time 20 "http://$address:$port/metrics"
curl -sf "http://$address:$port/metrics" | sed -n 's/^disgrafs_ray_nodes{state="alive"} //p'
