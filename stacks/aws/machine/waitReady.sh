#!/bin/bash
# Waits for the machine's first boot to end, and asserts that it is the machine that was asked for.
# Usage: waitReady.sh KERNEL-PATTERN MARKER    (a Perl regular expression; what /var/lib/disgrafs/installed must hold)
pattern=$1 marker=$2
uname -r | grep -qP "$pattern" || {
  echo "this machine runs Linux $(uname -r); the settings require a release that matches $pattern" >&2
  exit 1
}
# cloud-init's status: 0 done, 2 done with complaints that did not stop it, 1 failed. Old versions know no 2.
status=0
cloud-init status --wait >/dev/null 2>&1 || status=$?
installed=$(cat /var/lib/disgrafs/installed 2>/dev/null || true)
if [ "$installed" != "$marker" ]; then
  echo "first boot did not finish the installation (cloud-init's status: $status). The end of its log:" >&2
  tail -n 20 /var/log/cloud-init-output.log >&2
  exit 1
fi
# Files of the lab come by SFTP, as the login user; that user may become root anyway.
chown "${SUDO_USER:-root}" /opt/disgrafs
echo "$(uname -r), installed"
