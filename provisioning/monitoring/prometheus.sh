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
put /etc/default/prometheus 0644 <<END && restart=yes
ARGS="--web.listen-address=$address:$port --storage.tsdb.retention.time=7d --storage.tsdb.retention.size=1GB \
--query.lookback-delta=${lookback}s --no-scrape.adjust-timestamps"
END
start_unit prometheus.service "$restart"
wait_for 120 "Prometheus at $url" curl -sf "$url/-/ready"

targets() { curl -sf "$url/api/v1/targets?state=active" | jq -e "$1"; }
wait_for 120 "an answer of each target of Prometheus" targets '.data.activeTargets | length > 0 and all(.health == "up")' || {
  targets '.data.activeTargets[] | select(.health != "up") | {scrapeUrl, health, lastError}' >&2 || true
  exit 1
}
targets '.data.activeTargets | length'
