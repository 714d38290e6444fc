#!/usr/bin/env bash
# Ray on one node, by a systemd unit, with every port and the node's own address said: its defaults collide with Redis
# and advertise 127.0.0.1.
# Usage: start.sh head|worker VENV ADDRESS HEAD-ADDRESS HEAD-BOOT GCS-PORT RESOURCES EXPECTED-RUNTIME MEMORY-MIB PORT-OPTION...
set -euo pipefail
kind=$1 venv=$2 address=$3 head=$4 head_boot=$5 gcs=$6 resources=$7 expected=$8 memory=$9
shift 9

found=("$venv"/lib/python3*/site-packages/ray-*.dist-info)
ray=${found[0]##*/ray-}
runtime="$("$venv/bin/python" -V | cut -d' ' -f2) ${ray%.dist-info}"
if [ "$runtime" != "$expected" ]; then
  echo "this node has Python and Ray $runtime, and the head has $expected; Ray needs the same on all nodes" >&2
  exit 1
fi

where="--address=$head:$gcs"
[ "$kind" = worker ] || where="--head --port=$gcs --include-dashboard=false"
restart=no
# A head that was started again is another cluster, which this node has to join anew.
put /etc/disgrafs/ray-head-boot 0644 <<<"$head_boot" && restart=yes
put /etc/systemd/system/ray.service 0644 <<END && restart=yes
[Unit]
Description=Ray ($kind)
After=network.target juicefs.service

[Service]
# An emulated machine is slow, not dead: Ray's own limits would declare it so while its helpers still start.
Environment=RAY_raylet_start_wait_time_s=300 RAY_agent_register_timeout_ms=300000 RAY_gcs_rpc_server_reconnect_timeout_s=300
Environment=RAY_health_check_initial_delay_ms=60000 RAY_health_check_timeout_ms=60000 RAY_health_check_period_ms=10000
Environment=RAY_USAGE_STATS_ENABLED=0 RAY_prestart_worker_first_driver=0 RAY_enable_worker_prestart=0 PYTHONUNBUFFERED=1
# Neither the log monitor nor the autoscaler's is of use here, and each is a Python process that works all the time.
ExecStart=$venv/bin/ray start --block $where --node-ip-address=$address --num-cpus=$(nproc) \\
  --object-store-memory=$((memory * 1024 * 1024)) --resources='$resources' --disable-usage-stats \\
  --include-log-monitor=false --no-monitor $*
Restart=on-failure
RestartSec=1
KillMode=control-group
TimeoutStopSec=20
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
start_unit ray.service "$restart"
# Ray says so when the node is part of the cluster; a port that listens is too early a sign.
started() {
  journalctl -q -o cat "_SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value ray.service)" |
    grep -q 'Ray runtime started'
}
if ! wait_for 800 "\"Ray runtime started\" of the $kind" started; then
  journalctl -u ray.service -n 30 --no-pager -o cat >&2
  exit 1
fi
echo "$runtime"
