#!/usr/bin/env bash
# Prints as one line of JSON whether an extension can run on this machine: {"supported":true,"how":...} or
# {"supported":false,"reason":...,"needed":...}. The loader's own preflight loads it for a short time.
# Usage: preflight.sh NAME RELEASE NEEDS [OPTION...]
#   RELEASE  extended regular expression that `uname -r` must match
#   NEEDS    comma-separated: btf, bpffs, cgroup2, module
set -euo pipefail
name=$1 release=$2 needs=,$3,
shift 3
loader=/opt/disgrafs/extensions/$name/bin/$name

unsupported() { # REASON NEEDED
  jq -cn --arg reason "$1" --arg needed "$2" '{supported: false, reason: $reason, needed: $needed}'
  exit 0
}
needs() { [[ $needs == *,$1,* ]]; }

running=$(uname -r)
[[ $running =~ $release ]] ||
  unsupported "kernel $running" "a kernel whose release matches $release (setting: kernel)"
[ "$(id -u)" -eq 0 ] || unsupported "user $(id -un)" "root"
if needs btf && [ ! -r /sys/kernel/btf/vmlinux ]; then
  unsupported "no /sys/kernel/btf/vmlinux" "a kernel built with CONFIG_DEBUG_INFO_BTF=y"
fi
if needs bpffs && [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ]; then
  unsupported "no bpf file system on /sys/fs/bpf" "mount -t bpf bpf /sys/fs/bpf"
fi
if needs cgroup2 && [ "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)" != cgroup2fs ]; then
  unsupported "/sys/fs/cgroup is not cgroup v2" "systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
fi
lockdown=$(sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/security/lockdown 2>/dev/null || true)
if [ "$lockdown" = confidentiality ]; then
  unsupported "kernel lockdown: confidentiality" "lockdown none or integrity, because this one forbids reading kernel memory"
fi
if needs module; then
  [ "$lockdown" != integrity ] || unsupported "kernel lockdown: integrity" "lockdown none, because this one forbids unsigned modules"
  secure=$(od -A n -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-* 2>/dev/null | tr -d ' ' || true)
  [ "$secure" != 1 ] || unsupported "Secure Boot is on" "Secure Boot off, or the module signed with an enrolled key"
fi
[ -x "$loader" ] || unsupported "no $loader" "the extension built for this kernel: make -C bpf"

# Remove the pins of a killed loader.
if ! left=$("$loader" --remove 2>&1); then
  unsupported "leftovers: $(tail -n 1 <<<"$left")" "$loader --remove to succeed"
fi
if ! answer=$("$loader" --preflight "$@" 2>/tmp/disgrafs-preflight.$$); then
  reason=$(tail -n 3 /tmp/disgrafs-preflight.$$ | tr '\n' ' ')
  rm -f /tmp/disgrafs-preflight.$$
  unsupported "${reason:-the trial load failed without a message}" "the trial load to succeed: $loader --preflight $*"
fi
cat /tmp/disgrafs-preflight.$$ >&2
rm -f /tmp/disgrafs-preflight.$$
jq -ce 'select(.supported != null)' <<<"$answer"
