#!/usr/bin/env bash
# Mounts the volume by a systemd unit, and proves that the mount point is JuiceFS.
# Benchmark arms change the mount without touching this: they write variables of juicefs.env (cache times, options, a
# query such as ?client-cache=true) to /run/disgrafs/juicefs-arm.env and restart the unit.
# Usage: mount.sh META-URL MOUNT-POINT CACHE-DIR METRICS-ADDRESS CACHE-OPTIONS OPTIONS
set -euo pipefail
meta=$1 mount_point=$2 cache_dir=$3 metrics=$4 cache_options=$5 options=$6

restart=no
put /etc/disgrafs/juicefs.env 0644 <<END && restart=yes
JUICEFS_CACHE_OPTIONS=$cache_options
JUICEFS_OPTIONS=$options
JUICEFS_META=$meta
JUICEFS_META_QUERY=
END
put /etc/systemd/system/juicefs.service 0644 <<END && restart=yes
[Unit]
Description=JuiceFS on $mount_point
After=network.target
# A benchmark mounts anew for each arm, on a fast machine more often than systemd's five starts in ten seconds.
StartLimitIntervalSec=0

[Service]
Environment=META_PASSWORD_FILE=/etc/disgrafs/redis-password JFS_MOUNT_TIMEOUT=120
EnvironmentFile=/etc/disgrafs/juicefs.env
EnvironmentFile=-/run/disgrafs/juicefs-arm.env
ExecStart=/usr/local/bin/juicefs mount --no-usage-report --no-syslog --cache-dir $cache_dir --metrics $metrics \\
  \$JUICEFS_CACHE_OPTIONS \$JUICEFS_OPTIONS \${JUICEFS_META}\${JUICEFS_META_QUERY} $mount_point
# The unit is up when the mount is, and not when the program has started; it has failed when that program ends.
# findmnt sleeps until the kernel says that a mount has changed: looking again and again would take a slow machine's time
# from the program that is waited for. It looks again after 2 s for a mount that came just before findmnt listened.
ExecStartPost=/bin/sh -c 'until findmnt -t fuse.juicefs $mount_point; do kill -0 \$MAINPID || exit 1; findmnt --poll=mount --first-only --timeout 2000 $mount_point; done >/dev/null'
# What was written is flushed first: by the daemon, before it ends, unless it writes back later, when "umount --flush" waits
# for the uploads. A busy mount is detached after that and not before.
ExecStop=/bin/sh -c 'mountpoint -q $mount_point || exit 0; case "\$JUICEFS_OPTIONS" in *--writeback*) timeout 60 juicefs umount --flush $mount_point ;; *) umount $mount_point ;; esac || umount -l $mount_point'
KillMode=mixed
TimeoutStartSec=120
TimeoutStopSec=90
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
start_unit juicefs.service "$restart"
kind=$(findmnt -no FSTYPE "$mount_point" || true)
if [ "$kind" != fuse.juicefs ]; then
  echo "$mount_point is \"$kind\" and not fuse.juicefs" >&2
  journalctl -u juicefs.service -n 20 --no-pager -o cat >&2
  exit 1
fi
juicefs version | awk '{ print $3 }'
