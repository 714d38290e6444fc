#!/usr/bin/env bash
# Starts the index and the taggers' dispatcher on one node, as systemd units. A watchdog restarts a unit that hangs. Both may be
# killed at any time: all their state is in the graph.
# Usage: start.sh APP VENV META-URL MOUNT-POINT GRAPH RAY-ADDRESS TAGGERS EXCLUDE SLOWNESS INDEX-METRICS TAGGER-METRICS
set -euo pipefail
app=$1 venv=$2 meta=$3 mount_point=$4 graph=$5 ray=$6 taggers=$7 exclude=$8 slowness=$9 index_metrics=${10} tagger_metrics=${11}

put /etc/disgrafs/disgrafs.env 0644 <<END || true
PYTHONPATH=$app
PYTHONUNBUFFERED=1
META_PASSWORD_FILE=/etc/disgrafs/redis-password
DISGRAFS_META=$meta
DISGRAFS_MOUNT=$mount_point
DISGRAFS_GRAPH=$graph
DISGRAFS_GRAPH_PASSWORD_FILE=/etc/disgrafs/graph-password
DISGRAFS_RAY=$ray
DISGRAFS_TAGGERS=$taggers
DISGRAFS_EXCLUDE=$exclude
DISGRAFS_SLOWNESS=$slowness
DISGRAFS_MODELS=/var/cache/disgrafs-models
RAY_USAGE_STATS_ENABLED=0
END
# unit NAME MODULE METRICS DESCRIPTION EXTRA-UNIT-LINE WANTED-BY
unit() {
  put "/etc/systemd/system/$1.service" 0644 <<END || true
[Unit]
Description=$4
After=network.target juicefs.service ray.service
StartLimitIntervalSec=0
$5

[Service]
Type=notify
NotifyAccess=main
EnvironmentFile=/etc/disgrafs/disgrafs.env
Environment=DISGRAFS_METRICS=$3
ExecStart=$venv/bin/python -m $2
WatchdogSec=300
TimeoutStartSec=25min
TimeoutStopSec=10
Restart=always
RestartSec=1
LimitNOFILE=65536
# Low priority: no user waits for it.
CPUWeight=50

[Install]
WantedBy=$6
END
}
unit disgrafs-index disgrafs.index "$index_metrics" "DisGraFS: the index follows the volume" "" multi-user.target
# A Ray driver cannot outlive its cluster, so it stops and restarts together with Ray.
unit disgrafs-taggers disgrafs.taggers "$tagger_metrics" "DisGraFS: files are given to the taggers" \
  "BindsTo=ray.service" "multi-user.target ray.service"
# This step runs only after a change of settings, code or the machine's boot, so always restart. Neither unit waits for the other.
start_unit disgrafs-index.service yes &
index=$!
start_unit disgrafs-taggers.service yes
wait "$index"
echo started
