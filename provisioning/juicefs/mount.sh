#!/usr/bin/env bash
# Mounts the volume by a systemd unit, and checks that the mount point is JuiceFS.
# Benchmark arms change the mount by overriding variables of juicefs.env (cache times, options, a query such as
# ?client-cache=true) in /run/disgrafs/juicefs-arm.env and restarting the unit.
# Usage: mount.sh META-URL MOUNT-POINT CACHE-DIR METRICS-ADDRESS CACHE-OPTIONS OPTIONS [CHANGELOG]
set -euo pipefail
meta=$1 mount_point=$2 cache_dir=$3 metrics=$4 cache_options=$5 options=$6
# Part of the environment so that a change remounts: a client reads only at mount time whether to log its changes.
changelog=${7:-false}

variables=/etc/disgrafs/juicefs.env unit=/etc/systemd/system/juicefs.service

# Data not yet uploaded is only in this mount's cache folder, so upload it before unmounting. If uploads make no progress,
# keep the mount.
upload_what_waits() {
  grep -q -- --writeback "$variables" || return 0
  local folder oldest before="" still=0
  folder=$(sed -n 's/.* --cache-dir \([^ ]*\).*/\1/p' "$unit")
  while oldest=$(find "$folder" -path '*/rawstaging/*' -type f -printf '%T@ %p\n' | sort -n | sed -n 1p) && [ "$oldest" ]; do
    [ "$oldest" = "$before" ] || still=0
    # JuiceFS retries a failed upload once a minute.
    if [ $((still += 1)) -gt 90 ]; then
      echo "blocks below $folder are waiting for upload, but the object store accepts none, so the mount was not changed. Check the store (./lab status), and run the same command again" >&2
      return 1
    fi
    before=$oldest
    sleep 1
  done
}

new_variables=$(
  cat <<END
JUICEFS_CACHE_OPTIONS=$cache_options
JUICEFS_OPTIONS=$options
JUICEFS_META=$meta
JUICEFS_META_QUERY=
JUICEFS_CHANGELOG=$changelog
END
)
new_unit=$(
  cat <<END
[Unit]
Description=JuiceFS on $mount_point
After=network.target
# A benchmark remounts for each arm, on a fast machine more often than systemd's limit of five starts in ten seconds.
StartLimitIntervalSec=0

[Service]
Environment=META_PASSWORD_FILE=/etc/disgrafs/redis-password JFS_MOUNT_TIMEOUT=120
EnvironmentFile=/etc/disgrafs/juicefs.env
EnvironmentFile=-/run/disgrafs/juicefs-arm.env
# The URL comes first, because ps shows only 255 bytes of JuiceFS's command line, and the FUSE extension reads the query there.
ExecStart=/usr/local/bin/juicefs mount \${JUICEFS_META}\${JUICEFS_META_QUERY} $mount_point \\
  --no-usage-report --no-syslog --cache-dir $cache_dir --metrics $metrics \$JUICEFS_CACHE_OPTIONS \$JUICEFS_OPTIONS
# The unit is active when the mount exists, not when the program has started; it has failed if that program ends.
# findmnt sleeps until the kernel reports a mount change: polling would take CPU time from the program on a slow machine.
# It checks again after 2 s, for a mount that appeared just before findmnt listened.
ExecStartPost=/bin/sh -c 'until findmnt -t fuse.juicefs $mount_point; do kill -0 \$MAINPID || exit 1; findmnt --poll=mount --first-only --timeout 2000 $mount_point; done >/dev/null'
# Flush written data first. The daemon does so before it ends, except with write-back, where "umount --flush" waits for the
# uploads. Detach a busy mount only after that.
ExecStop=/bin/sh -c 'mountpoint -q $mount_point || exit 0; case "\$JUICEFS_OPTIONS" in *--writeback*) timeout 60 juicefs umount --flush $mount_point ;; *) umount $mount_point ;; esac || umount -l $mount_point'
KillMode=mixed
TimeoutStartSec=120
TimeoutStopSec=90
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
)
if [ -e "$unit" ] && ! { cmp -s "$unit" <<<"$new_unit" && cmp -s "$variables" <<<"$new_variables"; }; then
  # shellcheck disable=SC2034 # of the prelude
  waiting_for="the upload of what was written"
  upload_what_waits
  # Use the options of the current mount.
  systemctl stop juicefs.service
fi
restart=no
put "$variables" 0644 <<<"$new_variables" && restart=yes
put "$unit" 0644 <<<"$new_unit" && restart=yes
start_unit juicefs.service "$restart"
kind=$(findmnt -no FSTYPE "$mount_point" || true)
if [ "$kind" != fuse.juicefs ]; then
  echo "$mount_point is \"$kind\", not fuse.juicefs" >&2
  journalctl -u juicefs.service -n 20 --no-pager -o cat >&2
  exit 1
fi
juicefs version | awk '{ print $3 }'
