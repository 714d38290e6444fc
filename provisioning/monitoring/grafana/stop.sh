#!/usr/bin/env bash
# Removes Grafana and all its data.
# Usage: stop.sh FOLDER
set -euo pipefail
folder=$1
end_units grafana-server.service
DEBIAN_FRONTEND=noninteractive apt-get purge -qq -o Dpkg::Use-Pty=0 grafana >/dev/null
rm -rf "$folder" /etc/disgrafs/grafana-password /etc/disgrafs/grafana.env /etc/systemd/system/grafana-server.service.d \
  /var/lib/grafana /var/log/grafana /etc/grafana
systemctl daemon-reload
