#!/usr/bin/env bash
# Starts DisGraFS's API and page on the private address, as a systemd unit. Done when the API and the graph behind it answer.
# Usage: apiStart.sh ADDRESS:PORT APP VENV <<<TOKEN
set -euo pipefail
address=$1 app=$2 venv=$3
IFS= read -r token

put /etc/disgrafs/api-token 0600 <<<"$token" || true
put /etc/systemd/system/disgrafs-api.service 0644 <<END || true
[Unit]
Description=DisGraFS: the API and the page
After=network.target juicefs.service
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/disgrafs/disgrafs.env
Environment=DISGRAFS_LISTEN=$address DISGRAFS_TOKEN_FILE=/etc/disgrafs/api-token DISGRAFS_VENDOR=$app/vendor
ExecStart=$venv/bin/python -m disgrafs.api
Restart=always
RestartSec=1
TimeoutStopSec=10
LimitNOFILE=16384
MemoryMax=512M
# The API reads and deletes any user's files, and needs no other rights. A private mount namespace would keep an old mount of
# the volume.
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
END
# This step runs only after a change of the token, the code or the machine's boot, so always restart.
start_unit disgrafs-api.service yes
if ! wait_for 240 "the API of DisGraFS at $address" curl -sf "http://$address/health"; then
  journalctl -u disgrafs-api.service -n 20 --no-pager -o cat >&2
  exit 1
fi
curl -sf -o /dev/null "http://$address/vendor/cytoscape.esm.min.mjs"
status=$(curl -s -o /dev/null -w '%{http_code}' "http://$address/api/counts")
if [ "$status" != 401 ]; then
  echo "the API at $address answers $status to a request without a token; expected 401" >&2
  exit 1
fi
echo started
