#!/usr/bin/env bash
# Runs Neo4j in the foreground, from this script's folder (created by workshop/neo4j.ts). The password is used at the first
# start only; afterwards it is in the data.
# Usage: neo4j.sh ADDRESS PORT FOLDER PASSWORD-FILE HEAP-MIB [JAVA-OPTION]...
set -euo pipefail
address=$1 port=$2 folder=$3 password_file=$4 heap=$5
here=$(dirname "$(readlink -f "$0")")

mkdir -p "$folder/conf"
cat >"$folder/conf/neo4j.conf" <<END
server.bolt.listen_address=$address:$port
server.bolt.advertised_address=$address:$port
server.http.enabled=false
server.https.enabled=false
# Nothing leaves the lab.
dbms.usage_report.enabled=false
# No query reads files.
dbms.security.allow_csv_import_from_file_urls=false
server.memory.pagecache.size=64m
# What was committed is kept until it is in the store's files, and not for days in gigabytes.
db.tx_log.rotation.size=16m
db.tx_log.rotation.retention_policy=keep_none
db.tx_log.preallocate=false
END
export NEO4J_HOME=$folder NEO4J_CONF=$folder/conf
# Not below $folder: Neo4j maps a library from there, which systemd forbids in the folders of a dynamic user.
java=("$here/jre/bin/java" "-Djava.io.tmpdir=${TMPDIR:-/tmp}" -cp "$here/lib/*")
if [ ! -e "$folder/data/databases" ]; then
  # "@" has the tool read the argument from the file.
  "${java[@]}" -Xmx64m -XX:TieredStopAtLevel=1 org.neo4j.cli.AdminTool dbms set-initial-password "@$password_file" >/dev/null
fi
exec "${java[@]}" "${@:6}" "-Xms${heap}m" "-Xmx${heap}m" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
  --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
  --add-opens=java.base/sun.nio.ch=ALL-UNNAMED \
  org.neo4j.server.CommunityEntryPoint "--home-dir=$folder" "--config-dir=$folder/conf"
