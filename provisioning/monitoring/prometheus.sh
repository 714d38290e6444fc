#!/usr/bin/env bash
# Starts Prometheus on one node, on its private address. Done when every target has been scraped; prints their number.
# Usage: prometheus.sh ADDRESS PORT LOOKBACK-SECONDS CONFIG
set -euo pipefail
address=$1 port=$2 lookback=$3 config=$4
url=http://$address:$port

restart=no
put /etc/prometheus/prometheus.yml 0644 <<<"$config" && restart=yes
promtool check config /etc/prometheus/prometheus.yml >/dev/null
# No adjusted timestamps: after the clock has jumped back, timestamps aligned to a regular grid stay ahead until the clock reaches
# them, and all samples until then are refused.
# Four concurrent queries: Prometheus tracks them in a sparse mapped file, 1000 bytes each, and a write to a hole on a full disk
# kills it. With four, the file is a single page, which exists from the start.
put /etc/default/prometheus 0644 <<END && restart=yes
ARGS="--web.listen-address=$address:$port --storage.tsdb.retention.time=7d --storage.tsdb.retention.size=1GB \
--query.lookback-delta=${lookback}s --no-scrape.adjust-timestamps --query.max-concurrency=4"
END
# Debian's unit does not restart it after an error. The cause may go away later, for instance a full disk.
put /etc/systemd/system/prometheus.service.d/disgrafs.conf 0644 <<END && restart=yes
[Unit]
StartLimitIntervalSec=0
[Service]
Restart=always
RestartSec=15
END
start_unit prometheus.service "$restart"
wait_for 120 "Prometheus at $url" curl -sf "$url/-/ready"

targets() { curl -sf --max-time 8 "$url/api/v1/targets?state=active" | jq -e "$1"; }
# If a target does not answer, the reason is in Prometheus's list of targets, not in its log.
last_lines() { targets '.data.activeTargets[] | select(.health != "up") | {scrapeUrl, health, lastError}' >&2 || true; }
wait_for 120 "an answer of each target of Prometheus" targets '.data.activeTargets | length > 0 and all(.health == "up")'
targets '.data.activeTargets | length'
