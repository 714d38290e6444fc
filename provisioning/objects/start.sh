#!/usr/bin/env bash
# Starts the lab's object store, SeaweedFS with its S3 gateway in one process. Prints its version.
# Usage: start.sh ADDRESS S3-PORT MASTER VOLUME FILER <<<$'ACCESS-KEY\nSECRET-KEY'
set -euo pipefail
address=$1 s3=$2 master=$3 volume=$4 filer=$5
IFS= read -r access_key
IFS= read -r secret_key

id -u weed >/dev/null 2>&1 || useradd --system --home-dir /var/lib/weed --shell /usr/sbin/nologin weed
install -d -o weed -g weed -m 700 /var/lib/weed
restart=no
put /etc/disgrafs/s3.json 0640 root:weed <<END && restart=yes
{"identities": [{"name": "lab", "actions": ["Admin", "Read", "List", "Tagging", "Write"],
  "credentials": [{"accessKey": "$access_key", "secretKey": "$secret_key"}]}]}
END
# The gateway also listens on a gRPC port, which accepts new keys from any client.
put /etc/disgrafs/weed.nft 0644 <<END && restart=yes
table inet disgrafs_weed {}
delete table inet disgrafs_weed
table inet disgrafs_weed {
  chain input {
    type filter hook input priority filter
    iifname != "lo" tcp dport $((s3 + 10000)) reject with tcp reset
  }
}
END
put /etc/systemd/system/weed.service 0644 <<END && restart=yes
[Unit]
Description=SeaweedFS with S3 (the lab's object store)
After=network.target

[Service]
User=weed
# Only the S3 gateway serves other nodes; everything else listens on loopback without authentication. Unused features are off:
# other catalogs, which would listen next to the gateway, and usage reports to its makers.
ExecStartPre=+/usr/sbin/nft -f /etc/disgrafs/weed.nft
ExecStart=/usr/local/bin/weed -logtostderr=true server -dir=/var/lib/weed -ip=127.0.0.1 -ip.bind=127.0.0.1 \\
  -master.port=$master -master.volumeSizeLimitMB=1024 -master.telemetry=false -master.heartbeatInterval=5s \\
  -master.electionTimeout=20s -volume.port=$volume -volume.max=20 -filer -filer.port=$filer \\
  -s3 -s3.ip.bind=$address -s3.port=$s3 -s3.config=/etc/disgrafs/s3.json -s3.iam=false \\
  -s3.port.iceberg=0 -s3.port.lance=0 -metricsPort=0
Restart=on-failure
RestartSec=1
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
start_unit weed.service "$restart"
# Any HTTP answer shows that the gateway is up; a request without keys gets 403.
answers() { curl -s -o /dev/null --max-time 5 "http://$address:$s3/"; }
wait_for 240 "the S3 gateway on $address:$s3" answers
weed version | awk '{ print $3; exit }'
