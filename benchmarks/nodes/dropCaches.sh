#!/usr/bin/env bash
# On a node that is no client: a socket on the private network that drops the node's caches when somebody connects, and
# answers with the kernel's counts before and after. A cold read is then cold at the object store, too.
# Usage: dropCaches.sh ADDRESS PORT
set -euo pipefail
address=$1 port=$2

put /usr/local/lib/disgrafs/drop-caches 0755 <<'SCRIPT' || true
#!/bin/sh
grep '^drop_' /proc/vmstat
sync
echo 3 >/proc/sys/vm/drop_caches
grep '^drop_' /proc/vmstat
SCRIPT
put /etc/systemd/system/disgrafs-drop-caches@.service 0644 <<'UNIT' || true
[Unit]
Description=Drop caches for a benchmark
[Service]
StandardInput=socket
StandardError=journal
ExecStart=/usr/local/lib/disgrafs/drop-caches
UNIT
changed=no
put /etc/systemd/system/disgrafs-drop-caches.socket 0644 <<UNIT && changed=yes
[Unit]
Description=Drop caches for a benchmark
[Socket]
ListenStream=$address:$port
FreeBind=yes
Accept=yes
MaxConnections=4
[Install]
WantedBy=sockets.target
UNIT
start_unit disgrafs-drop-caches.socket "$changed"
systemctl --quiet is-active disgrafs-drop-caches.socket
