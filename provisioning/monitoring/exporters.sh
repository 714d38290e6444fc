#!/usr/bin/env bash
# Starts Debian's exporters on one node, on its private address: the node exporter, which also serves the text files of the
# eBPF extensions and of our iostat exporter, and the Redis exporter if this node runs Redis.
# Usage: exporters.sh ADDRESS NODE-PORT REDIS-PORT|"" REDIS-EXPORTER-PORT PROMETHEUS <<<REDIS-PASSWORD
#   PROMETHEUS: HOST:PORT of the Prometheus that will scrape them
set -euo pipefail
address=$1 node_port=$2 redis_port=$3 redis_exporter_port=$4 prometheus=$5
IFS= read -r password
textfiles=/var/lib/prometheus/node-exporter

# For programs on this node that must know whether the exporters are scraped (benchmarks/arms/monitoring.sh).
put /etc/disgrafs/prometheus 0644 <<<"$prometheus" || true

# Only the collectors that the dashboards need: each costs CPU time on a machine that is being measured.
collectors=(cpu diskstats filesystem loadavg meminfo netdev pressure stat textfile uname vmstat)
restart=no
put /etc/default/prometheus-node-exporter 0644 <<END && restart=yes
ARGS="--web.listen-address=$address:$node_port --collector.disable-defaults ${collectors[*]/#/--collector.} \
--collector.textfile.directory=$textfiles"
END
mkdir -p "$textfiles"
start_unit prometheus-node-exporter.service "$restart"
wait_for 60 "the node exporter on $address:$node_port" curl -sf "http://$address:$node_port/metrics"

restart=no
put /etc/systemd/system/disgrafs-iostat.service 0644 <<END && restart=yes
# $(sha256sum /opt/disgrafs/monitoring/iostat.py)
[Unit]
Description=iostat's metrics for Prometheus (disgrafs-lab)
[Service]
ExecStart=/usr/bin/python3 /opt/disgrafs/monitoring/iostat.py $textfiles/disgrafs-iostat.prom
Restart=on-failure
RestartSec=5
[Install]
WantedBy=multi-user.target
END
start_unit disgrafs-iostat.service "$restart"
wait_for 60 "the metrics of iostat" test -s "$textfiles/disgrafs-iostat.prom"

if [ -n "$redis_port" ]; then
  restart=no
  # In a file that only root can read, not in an argument.
  put /etc/disgrafs/redis-exporter.env 0600 <<<"REDIS_PASSWORD=$password" && restart=yes
  put /etc/systemd/system/prometheus-redis-exporter.service.d/disgrafs.conf 0644 <<END && restart=yes
[Service]
EnvironmentFile=/etc/disgrafs/redis-exporter.env
Environment=REDIS_ADDR=redis://$address:$redis_port REDIS_EXPORTER_WEB_LISTEN_ADDRESS=$address:$redis_exporter_port
# No panel draws latency histograms or the exporter's own metrics. With them, one answer took about 2 s of CPU time on a busy
# emulated machine; without them, 0.3 s. Prometheus asks every 5 s and would not get an answer in time.
Environment=REDIS_EXPORTER_EXCLUDE_LATENCY_HISTOGRAM_METRICS=true REDIS_EXPORTER_REDIS_ONLY_METRICS=true
END
  start_unit prometheus-redis-exporter.service "$restart"
  # Not `grep -q`: it may end before curl has written everything, and curl would then fail.
  sees_redis() { curl -sf "http://$address:$redis_exporter_port/metrics" | grep -x 'redis_up 1' >/dev/null; }
  wait_for 60 "Redis, as its exporter sees it," sees_redis
fi
curl -sf "http://$address:$node_port/metrics" | grep -c "^node_"
