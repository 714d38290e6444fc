#!/usr/bin/env bash
# Stops the exporters of one node and removes what their settings hold.
set -euo pipefail
systemctl -q disable --now prometheus-node-exporter.service prometheus-redis-exporter.service
rm -rf /etc/disgrafs/redis-exporter.env /etc/systemd/system/prometheus-redis-exporter.service.d
systemctl daemon-reload
