#!/usr/bin/env bash
# Stops DisGraFS on the Ray head; the taggers are Ray actors and end with their driver. With a META-URL, also deletes the change
# log in the volume's Redis, which JuiceFS keeps after it is switched off. Usage: stop.sh [META-URL]
set -euo pipefail
meta=${1:-}
end_units disgrafs-taggers.service disgrafs-index.service
rm -f /etc/systemd/system/disgrafs-{index,taggers}.service /etc/disgrafs/disgrafs.env
systemctl daemon-reload
if [ "$meta" ]; then
  REDISCLI_AUTH=$(cat /etc/disgrafs/redis-password)
  export REDISCLI_AUTH
  redis-cli -e -u "$meta" del txnLog >/dev/null
fi
