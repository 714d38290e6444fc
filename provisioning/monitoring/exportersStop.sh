#!/usr/bin/env bash
# Stops the exporters of one node and removes their settings.
set -euo pipefail
end_units disgrafs-iostat.service prometheus-node-exporter.service prometheus-redis-exporter.service
rm -rf /opt/disgrafs/monitoring /etc/systemd/system/disgrafs-iostat.service /etc/disgrafs/prometheus /etc/disgrafs/redis-exporter.env /etc/systemd/system/prometheus-redis-exporter.service.d
systemctl daemon-reload
