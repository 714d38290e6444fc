#!/bin/bash
# disgrafs-expire-at EPOCH: powers this machine off at that time (seconds since 1970). Run it again to change the time.
# The timer is absolute and persistent: a machine that was down at that time powers off as soon as it has booted.
set -euo pipefail
epoch=${1:?usage: disgrafs-expire-at EPOCH}
[[ $epoch =~ ^[0-9]+$ ]] || { echo "disgrafs-expire-at: '$epoch' is not a number of seconds since 1970" >&2; exit 2; }
now=$(date +%s)
((epoch > now)) || { echo "disgrafs-expire-at: $epoch is in the past (now is $now): give a later time" >&2; exit 2; }

units=/etc/systemd/system
cat >"$units/disgrafs-expiry.service" <<'UNIT'
[Unit]
Description=Power off: the time of this lab is over

[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl poweroff
UNIT
cat >"$units/disgrafs-expiry.timer" <<UNIT
[Unit]
Description=End of this lab

[Timer]
OnCalendar=$(date --utc --date="@$epoch" '+%Y-%m-%d %H:%M:%S') UTC
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
UNIT
# Otherwise the stamp of an earlier timer would make a later one fire at once.
systemctl stop disgrafs-expiry.timer 2>/dev/null || true
rm -f /var/lib/systemd/timers/stamp-disgrafs-expiry.timer
systemctl daemon-reload
systemctl enable --quiet disgrafs-expiry.timer
if ! systemctl is-active --quiet sysinit.target; then
  # Early in the boot, waiting for a unit would wait for this script itself.
  systemctl start --no-block disgrafs-expiry.timer
  exit 0
fi
systemctl start disgrafs-expiry.timer
# Verify the result: the timer's next elapse must be the requested time.
next=$(systemctl show --property=NextElapseUSecRealtime --value disgrafs-expiry.timer)
[[ $(date --date="$next" +%s) == "$epoch" ]] || { echo "disgrafs-expire-at: the timer says '$next', not $epoch" >&2; exit 1; }
echo "expires at $epoch"
