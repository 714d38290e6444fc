#!/usr/bin/env bash
# Installs and starts Grafana on loopback. Done when a client without a login sees each dashboard and the data source answers.
# Usage: start.sh FOLDER PORT PROMETHEUS VERSION DASHBOARDS DATASOURCE REQUIRED <<<ADMIN-PASSWORD (REQUIRED is yes or no)
set -euo pipefail
folder=$1 port=$2 prometheus=$3 version=$4 dashboards=$5 datasource=$6 required=$7
IFS= read -r password
url=http://127.0.0.1:$port

# If the settings do not require Grafana, its failure is only a warning.
fail() {
  [ "$required" = no ] || exit 1
  echo "Grafana $version is not up on $(hostname), and the lab continues without it (setting grafana: auto); to avoid this warning:" \
    "./lab up -c grafana=off" >&2
  exit 0
}

restart=no
if [ "$(dpkg-query -W -f '${db:Status-Abbrev}${Version}' grafana 2>/dev/null)" != "ii $version" ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -o Dpkg::Use-Pty=0 --allow-downgrades --no-install-recommends "$folder/grafana.deb" >/dev/null || fail
  restart=yes
fi
put /etc/disgrafs/grafana-password 0640 root:grafana <<<"$password" && restart=yes
# The package's unit takes these from its own file in /etc/default; ours is read after it.
put /etc/disgrafs/grafana.env 0644 <<END && restart=yes
# $(find "$folder" -type f ! -name '*.deb' -exec sha256sum {} + | sort | sha256sum)
CONF_FILE=$folder/grafana.ini
PROVISIONING_CFG_DIR=$folder/provisioning
DISGRAFS_GRAFANA_PORT=$port
DISGRAFS_DASHBOARDS=$folder/dashboards
DISGRAFS_PROMETHEUS=$prometheus
END
put /etc/systemd/system/grafana-server.service.d/disgrafs.conf 0644 <<'END' && restart=yes
[Service]
EnvironmentFile=/etc/disgrafs/grafana.env
END
start_unit grafana-server.service "$restart" || fail

healthy() { curl -sf "$url/api/health" | jq -e --arg version "$version" '.database == "ok" and .version == $version'; }
wait_for 240 "Grafana $version at $url" healthy || fail
# Grafana reads the dashboards after it has started to answer.
found() { curl -sf "$url/api/search?type=dash-db&limit=100" | jq -e --argjson count "$dashboards" 'length == $count'; }
wait_for 120 "$dashboards dashboards for a client without a login" found || fail
question='{"from":"now-5m","to":"now","queries":[{"refId":"A","datasource":{"uid":"%s"},"expr":"up","instant":true}]}'
# shellcheck disable=SC2059 # The format is the line above.
ask() {
  curl -sf -H 'Content-Type: application/json' -d "$(printf "$question" "$datasource")" "$url/api/ds/query" |
    jq -e '.results.A.frames | length > 0'
}
wait_for 60 "an answer from the data source $datasource" ask || fail
echo "$version"
