#!/usr/bin/env bash
# Stops the graph, FalkorDB or Neo4j, and removes its data and its password.
set -euo pipefail
end_units disgrafs-graph.service
rm -rf /etc/systemd/system/disgrafs-graph.service /var/lib/disgrafs-graph /etc/disgrafs/graph.conf \
  /etc/disgrafs/graph-password.conf /var/lib/private/disgrafs-neo4j /var/lib/disgrafs-neo4j /etc/disgrafs/neo4j-password
systemctl daemon-reload
