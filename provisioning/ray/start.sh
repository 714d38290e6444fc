#!/usr/bin/env bash
# Starts Ray on one node as a systemd unit, with explicit ports and address: its defaults collide with Redis and advertise
# 127.0.0.1.
# Usage: start.sh head|worker VENV ADDRESS HEAD-ADDRESS HEAD-BOOT GCS-PORT RESOURCES EXPECTED-RUNTIME MEMORY-MIB METRICS CLIENT-PORT
#   PORT-OPTION...
# METRICS: folder with the packages that Ray's own metrics need; "" for none. CLIENT-PORT: for remote drivers, which come with them.
set -euo pipefail
kind=$1 venv=$2 address=$3 head=$4 head_boot=$5 gcs=$6 resources=$7 expected=$8 memory=$9 metrics=${10} client=${11}
shift 11

found=("$venv"/lib/python3*/site-packages/ray-*.dist-info)
ray=${found[0]##*/ray-}
runtime="$("$venv/bin/python" -V | cut -d' ' -f2) ${ray%.dist-info}"
if [ "$runtime" != "$expected" ]; then
  echo "this node has Python and Ray $runtime, but the head has $expected; Ray needs the same versions on all nodes" >&2
  exit 1
fi

where="--address=$head:$gcs"
[ "$kind" = worker ] || where="--head --port=$gcs --include-dashboard=false"
restart=no
# Ray 2.60's raylet exits if its helper processes have not written their port files within 15 s, and no option changes that; on
# an emulated machine two Python programs can need longer. The contents are known: the dashboard's agent has the pinned ports, or
# none (-1) without the packages for metrics, and the other helper's port is pinned. So write the files for them.
put /opt/disgrafs/ray-ports.sh 0755 <<'END' && restart=yes
#!/usr/bin/env bash
# Usage: ray-ports.sh RAY-PID AGENT METRICS-AGENT METRICS-EXPORT (ports)
set -euo pipefail
option() { tr '\0' '\n' <"/proc/$raylet/cmdline" | sed -n "s/^--$1=//p" | head -n 1; }
while kill -0 "$1" 2>/dev/null; do
  for raylet in $(pgrep -x raylet); do
    session=$(option session_dir) id=$(option node_id) runtime_env=$(option runtime_env_agent_port)
    [ -d "$session" ] && [ -n "$id" ] || continue
    for file in "dashboard_agent_listen_port=$2" "metrics_agent_port=$3" "metrics_export_port=$4" \
      "runtime_env_agent_port=$runtime_env"; do
      path=$session/${file%%=*}_$id
      [ -e "$path" ] && continue
      printf %s "${file#*=}" >"$path.new"
      mv "$path.new" "$path"
    done
    exit 0
  done
  sleep 0.2
done
END
# `ray start` without what costs most and does nothing here (docs/records/lab-times.md). Written for Ray 2.60.
put /opt/disgrafs/ray-start.py 0644 <<'END' && restart=yes
import glob
import pathlib
import sys
import threading
import time

# Subcommands of `ray` that load FastAPI and Pydantic. It leaves out those whose modules cannot be imported.
sys.modules["ray.serve.scripts"] = sys.modules["ray.util.state.state_cli"] = None

from ray._private.node import Node
from ray.scripts.scripts import main

# With --include-dashboard=false, the head still starts the dashboard's server, only to report usage, which is off, and waits for it.
Node.start_api_server = lambda self, **_: None


# gRPC's pollers in Ray look at their loops four times a second, also if nothing happens, and no option changes that. With this timer
# slack, the kernel wakes them together; what arrives for them still wakes them at once. Only these threads: workers, which
# are processes of the raylet's main thread, would inherit the slack, and their sleeps would be longer.
def wake_together() -> None:
    for process in glob.glob("/proc/[0-9]*"):
        try:
            if pathlib.Path(process, "comm").read_text().strip() not in {"raylet", "gcs_server"}:
                continue
            for thread in pathlib.Path(process, "task").iterdir():
                name = (thread / "comm").read_text()
                if ".poll" in name or name.startswith(("nexting_thread", "timer_manager", "grpc_global_tim")):
                    pathlib.Path("/proc", thread.name, "timerslack_ns").write_text("250000000")
        except OSError:
            pass  # It ended meanwhile.


def keep_together() -> None:
    # All of these threads exist soon after the start, on a slow machine within minutes.
    for seconds in (30, 120, 600):
        time.sleep(seconds)
        wake_together()


threading.Thread(target=keep_together, daemon=True).start()

sys.argv[:1] = ["ray", "start"]
main()
END
port() { printf '%s\n' "$@" | sed -n "s/^--$1=//p"; }
agent_ports="-1 -1 -1" environment="# No metrics of its own."
if [ "$metrics" ]; then
  agent_ports="$(port dashboard-agent-listen-port "$@") $(port dashboard-agent-grpc-port "$@") $(port metrics-export-port "$@")"
  [ "$kind" = worker ] || set -- "$@" "--ray-client-server-port=$client"
  # The checksum restarts Ray when the packages change.
  environment="Environment=PYTHONPATH=$metrics RAY_enable_metrics_collection=1 RAY_metrics_report_interval_ms=10000
# $(cat "$metrics"/*.dist-info/RECORD | sha256sum)"
fi
# A restarted head is a new cluster, which this node must join again.
put /etc/disgrafs/ray-head-boot 0644 <<<"$head_boot" && restart=yes
put /etc/systemd/system/ray.service 0644 <<END && restart=yes
[Unit]
Description=Ray ($kind)
After=network.target juicefs.service

[Service]
# On a slow emulated machine, Ray's default limits would declare a node dead while its helpers still start. Workers that have not
# registered after 60 s are killed and restarted, endlessly if two of them start at once.
Environment=RAY_raylet_start_wait_time_s=120 RAY_agent_register_timeout_ms=300000 RAY_gcs_rpc_server_reconnect_timeout_s=300
Environment=RAY_worker_register_timeout_seconds=600
Environment=RAY_health_check_initial_delay_ms=60000 RAY_health_check_timeout_ms=60000 RAY_health_check_period_ms=10000
Environment=RAY_USAGE_STATS_ENABLED=0 RAY_prestart_worker_first_driver=0 RAY_enable_worker_prestart=0 PYTHONUNBUFFERED=1
# The lab does not use an autoscaler, nor, by default, Ray's own metrics. Gathering these and checking free memory four times a
# second takes a third of an idle node's Ray CPU time, which a benchmark on the node would lack. Three timers of the raylet, at a tenth
# of their default rate, take a sixth of the remaining wakeups.
Environment=RAY_event_stats=0 RAY_enable_metrics_collection=0 RAY_metrics_report_interval_ms=60000
Environment=RAY_gcs_pull_resource_loads_period_milliseconds=5000 RAY_memory_monitor_refresh_ms=2000
Environment=RAY_raylet_check_gc_period_milliseconds=1000 RAY_object_manager_timer_freq_ms=1000 RAY_kill_idle_workers_interval_ms=2000
# So do these: the raylet looks at the disk's free space 10 times a second, and reports free resources as often; the head asks each
# of its event loops once a second whether it answers; both write their state to a file every 10 s.
Environment=RAY_local_fs_monitor_interval_ms=2000 RAY_raylet_report_resources_period_milliseconds=500
Environment=RAY_io_context_monitor_probe_interval_ms=10000 RAY_debug_dump_period_milliseconds=60000
Environment=RAY_object_manager_rpc_threads_num=1
$environment
# Neither the log monitor nor the autoscaler's monitor is needed, and each is a busy Python process.
ExecStart=$venv/bin/python /opt/disgrafs/ray-start.py --block $where --node-ip-address=$address --num-cpus=$(nproc) \\
  --object-store-memory=$((memory * 1024 * 1024)) --resources='$resources' --disable-usage-stats \\
  --include-log-monitor=false --no-monitor $*
ExecStartPost=/opt/disgrafs/ray-ports.sh \$MAINPID $agent_ports
TimeoutStartSec=15min
Restart=on-failure
RestartSec=1
KillMode=control-group
TimeoutStopSec=20
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
start_unit ray.service "$restart"
# Wait for Ray's message that the node has joined the cluster; a listening port appears too early. `grep -q` may exit before a
# long journal is written, which would make journalctl fail.
started() {
  journalctl -q -o cat "_SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value ray.service)" |
    grep 'Ray runtime started' >/dev/null
}
wait_for 300 "\"Ray runtime started\" of the $kind" started
# A driver that finds no agent for half a minute exports no metrics, so the agent must answer before any driver starts. The raylet
# itself gives up on a slow machine, and then its part is missing.
[ -z "$metrics" ] ||
  wait_for 600 "Ray's metrics at $address" curl -sf -o /dev/null --max-time 20 "http://$address:$(port metrics-export-port "$@")/metrics"
echo "$runtime"
