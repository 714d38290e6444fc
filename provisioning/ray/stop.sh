#!/usr/bin/env bash
# Stops Ray on this node; its control group takes every worker with it.
set -euo pipefail
end_units ray.service
rm -rf /etc/systemd/system/ray.service /opt/disgrafs/ray-ports.sh /opt/disgrafs/ray-start.py /tmp/ray
systemctl daemon-reload
