#!/bin/bash
# Waits for the machine's first boot to end, and checks its kernel and its installation.
# Usage: waitReady.sh KERNEL-PATTERN MARKER    (a Perl regular expression; the expected content of /var/lib/disgrafs/installed)
pattern=$1 marker=$2
uname -r | grep -qP "$pattern" || {
  echo "this machine runs Linux $(uname -r); the settings require a release that matches $pattern" >&2
  exit 1
}
# cloud-init's status: 0 done, 2 done with recoverable errors, 1 failed. Old versions do not use 2.
status=0
cloud-init status --wait >/dev/null 2>&1 || status=$?
installed=$(cat /var/lib/disgrafs/installed 2>/dev/null || true)
if [ "$installed" != "$marker" ]; then
  echo "first boot did not finish the installation (cloud-init's status: $status). The end of its log:" >&2
  tail -n 20 /var/log/cloud-init-output.log >&2
  exit 1
fi
# The lab copies files by SFTP as the login user, who may become root anyway.
chown "${SUDO_USER:-root}" /opt/disgrafs
echo "$(uname -r), installed"
