#!/usr/bin/env bash
# mmdebstrap hook: turns a new Debian root into an image that is like Debian's public image for EC2 for cloud-init.
# With WHEELS, it also creates the Python environment that install.sh would create.
# Usage: customize.sh ROOT FILES [WHEELS VENV REQUIREMENTS]
set -euo pipefail
root=$1 files=$2

cp -R --no-preserve=ownership "$files/." "$root/"
chroot "$root" systemctl -q enable ec2-host.service systemd-networkd.service
# Automatic updates in the first minutes would only slow this down, because nothing here can be updated.
chroot "$root" systemctl -q disable apt-daily.timer apt-daily-upgrade.timer

if [ $# -gt 2 ]; then
  wheels=$3 venv=$4 requirements=$5
  mkdir -p "$root/tmp/wheels" "$root/${venv%/*}"
  cp "$wheels"/*.whl "$root/tmp/wheels/"
  cp "$requirements" "$root/tmp/requirements.txt"
  chroot "$root" python3 -m venv "$venv"
  chroot "$root" "$venv/bin/pip" install -q --no-index --find-links /tmp/wheels --no-deps --require-hashes \
    -r /tmp/requirements.txt
  rm -rf "$root/tmp/wheels" "$root/tmp/requirements.txt"
  # The machine has no access to archives, so apt must not query them; all requested packages are installed.
  : >"$root/etc/apt/sources.list"
fi

# Each machine creates its own identity at first boot.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/hostname "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
