#!/usr/bin/env bash
# Stops Prometheus and removes its data.
set -euo pipefail
end_units prometheus.service
rm -rf /var/lib/prometheus/metrics2 /etc/prometheus/prometheus.yml /etc/systemd/system/prometheus.service.d
systemctl daemon-reload
