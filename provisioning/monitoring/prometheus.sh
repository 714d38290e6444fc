#!/usr/bin/env bash
# Prometheus on one node, on its private address. Done when every target has been scraped; prints how many there are.
# Usage: prometheus.sh ADDRESS PORT LOOKBACK-SECONDS CONFIG
set -euo pipefail
address=$1 port=$2 lookback=$3 config=$4
url=http://$address:$port

restart=no
put /etc/prometheus/prometheus.yml 0644 <<<"$config" && restart=yes
promtool check config /etc/prometheus/prometheus.yml >/dev/null
# Times of scrapes are the clock's own: those that are moved to a regular grid stay ahead for as long as a clock that has jumped
# back takes to get there, and what is scraped meanwhile is refused.
# Four queries at once: Prometheus notes them in a mapped file with holes, 1000 bytes for each, and a write to a hole on a full
# disk ends the program. With four the file is one page, which is there from the start.
put /etc/default/prometheus 0644 <<END && restart=yes
ARGS="--web.listen-address=$address:$port --storage.tsdb.retention.time=7d --storage.tsdb.retention.size=1GB \
--query.lookback-delta=${lookback}s --no-scrape.adjust-timestamps --query.max-concurrency=4"
END
# Debian's unit leaves it dead when it ends with an error of its own. What made it end may be over later: a full disk.
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
# From here on the reason is not in Prometheus's own log: it is what Prometheus says of the targets.
last_lines() { targets '.data.activeTargets[] | select(.health != "up") | {scrapeUrl, health, lastError}' >&2 || true; }
wait_for 120 "an answer of each target of Prometheus" targets '.data.activeTargets | length > 0 and all(.health == "up")'
targets '.data.activeTargets | length'
