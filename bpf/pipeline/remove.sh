#!/usr/bin/env bash
# Removes an extension from the machine, and fails if a program, map, pin, module, unit or file of it remains. Also works after the
# loader was killed, and after a reboot.
# Usage: remove.sh NAME
set -euo pipefail
name=$1
folder=/opt/disgrafs/extensions/$name
unit=disgrafs-extension@$name.service

# The same lock as in load.sh.
exec 9>/run/disgrafs-extensions.lock
flock 9
systemctl stop "$unit" 2>/dev/null || true
if [ -x "$folder/bin/$name" ]; then "$folder/bin/$name" --remove; fi
rm -f "/etc/disgrafs/extensions/$name" "/run/disgrafs/extension-$name.env" "/run/disgrafs-$name.lock" "/run/disgrafs-$name.log" \
  "/var/log/disgrafs-$name.log" "/var/tmp/disgrafs-$name".*
if [ -z "$(ls -A /etc/disgrafs/extensions 2>/dev/null)" ]; then
  rm -f /etc/systemd/system/disgrafs-extension@.service
  rmdir /etc/disgrafs/extensions 2>/dev/null || true
fi
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || true
rm -rf "${folder:?}"
if [ -e "/sys/fs/bpf/disgrafs/$name" ]; then
  echo "extension $name: /sys/fs/bpf/disgrafs/$name is still there" >&2
  exit 1
fi
