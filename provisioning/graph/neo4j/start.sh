#!/usr/bin/env bash
# Starts Neo4j on the private address, with a password, in place of FalkorDB.
# Usage: start.sh ADDRESS PORT FOLDER VENV true|false <<<PASSWORD, where true: the machine's CPU is emulated
set -euo pipefail
address=$1 port=$2 folder=$3 venv=$4 emulated=$5
IFS= read -r password
# Java's second compiler takes a third of all CPU time of a short run, and an emulated machine has none to spare. Without it, searches of
# a warm server take twice as long.
if [ "$emulated" = true ]; then compiler=" -XX:TieredStopAtLevel=1"; else compiler=""; fi

# Neo4j keeps the password in its data. For a new password, delete the data: everything in it comes from the volume.
put /etc/disgrafs/neo4j-password 0600 <<<"$password" && fresh=yes || fresh=no
put /etc/systemd/system/disgrafs-graph.service 0644 <<END || true
[Unit]
Description=Neo4j, the graph of DisGraFS
After=network.target
StartLimitIntervalSec=0

[Service]
# A dynamic user that exists only while the unit runs.
DynamicUser=yes
StateDirectory=disgrafs-neo4j
StateDirectoryMode=0700
LoadCredential=password:/etc/disgrafs/neo4j-password
ExecStart=$folder/neo4j.sh $address $port %S/disgrafs-neo4j %d/password 384$compiler
TimeoutStopSec=120
# Java's exit status after SIGTERM.
SuccessExitStatus=143
Restart=always
RestartSec=1
LimitNOFILE=65536
MemoryMax=1024M
ProtectHome=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
END
if [ "$fresh" = yes ]; then
  systemctl -q stop disgrafs-graph.service
  rm -rf /var/lib/private/disgrafs-neo4j /var/lib/disgrafs-neo4j
fi
# This step runs only after a change of Neo4j's files, the unit or the machine's boot, so always restart.
start_unit disgrafs-graph.service yes
# Data that FalkorDB may have left.
rm -rf /var/lib/disgrafs-graph /etc/disgrafs/graph.conf /etc/disgrafs/graph-password.conf

export NEO4J_PASSWORD_FILE=/etc/disgrafs/neo4j-password
answers() { "$venv/bin/python" - "$address" "$port" <<<"$ask"; }
ask=$(
  cat <<'END'
import os, sys
from pathlib import Path
from neo4j import GraphDatabase
password = Path(os.environ["NEO4J_PASSWORD_FILE"]).read_text().strip()
with GraphDatabase.driver("bolt://{}:{}".format(*sys.argv[1:]), auth=("neo4j", password)) as driver:
    rows = driver.execute_query("CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0]")
print(rows.records[0][0])
END
)
wait_for 240 "Neo4j on $address:$port" answers
answers
