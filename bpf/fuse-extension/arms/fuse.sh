#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# An arm of the benchmark on one client:
#
#   fuse.sh ARM enable|disable|prove MOUNT
#
# ARM: notify (D), ttl (E), lease (F), off (G: hooked, nothing served). `prove`
# prints one line of JSON, {"active": true, "count": N}; N grows while the arm
# does its work.
# From the environment: EFUSE_DIR (efuse.ko, efuse-agent), EFUSE_META,
# EFUSE_PASSWORD_FILE (optional), EFUSE_BOUND_MS (default 100).
set -euo pipefail
arm=$1 action=$2 mount=$3
dir=${EFUSE_DIR:-/opt/disgrafs/extensions/fuse-extension}
port=9909
unit=efuse-agent

agent() {
	local options=(--mount "$mount" --metrics "$port" --bound "${EFUSE_BOUND_MS:-100}")
	if [ -n "${EFUSE_META:-}" ]; then options+=(--meta "$EFUSE_META"); fi
	if [ -n "${EFUSE_PASSWORD_FILE:-}" ]; then options+=(--password-file "$EFUSE_PASSWORD_FILE"); fi
	systemctl reset-failed "$unit" 2>/dev/null || true
	systemd-run --quiet --collect --unit "$unit" "$dir/efuse-agent" "${options[@]}" "$@"
}

load() {
	[ -e /dev/efuse ] || insmod "$dir/efuse.ko"
}

# metric NAME-WITH-LABELS-AS-REGEX: the sum of its samples
metric() {
	curl --silent --fail "http://127.0.0.1:$port/metrics" |
		awk -v re="^$1 " '$0 ~ re { sum += $NF } END { printf "%.0f\n", sum }'
}

stop() {
	if systemctl is-active --quiet "$unit"; then systemctl stop "$unit"; fi
	if [ -e /dev/efuse ]; then rmmod efuse; fi
}

case "$action" in
enable)
	stop
	case "$arm" in
	notify) agent --sink notify ;;
	ttl) load && agent --mode ttl ;;
	lease) load && agent --mode lease ;;
	off) load && agent --mode off ;;
	*) echo "fuse.sh: unknown arm: $arm (notify, ttl, lease, off)" >&2 && exit 2 ;;
	esac
	# It is only enabled once it serves.
	for _ in $(seq 100); do
		if [ "$(metric 'efuse_mounted.*' || echo 0)" = 1 ]; then exit 0; fi
		sleep 0.2
	done
	journalctl --no-pager --unit "$unit" --lines 20 >&2
	exit 1
	;;
disable)
	stop
	;;
prove)
	case "$arm" in
	notify) count=$(metric 'efuse_redis_heartbeats_total') ;;
	ttl | lease) count=$(metric 'efuse_requests_total.*result="hit".*') ;;
	off) count=$(metric 'efuse_requests_total.*result="asked".*') ;;
	*) echo "fuse.sh: unknown arm: $arm" >&2 && exit 2 ;;
	esac
	echo "{\"active\": true, \"count\": $count}"
	;;
*)
	echo "fuse.sh: unknown action: $action (enable, disable, prove)" >&2
	exit 2
	;;
esac
