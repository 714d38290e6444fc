#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Measures the cost of one stat: from the kernel's own cache, as a hit, and as an
# upcall. For a machine with one CPU and QEMU's `-icount shift=0,sleep=off`, where
# the guest's nanoseconds are instructions. Usage: count.sh DIR; prints a line of
# JSON for each case.
set -euo pipefail
dir=$1
mnt=/tmp/count
mkdir -p "$mnt"
redis-server --port 6397 --bind 127.0.0.1 --save "" >/dev/null &
redis=$!
trap 'kill "$redis"' EXIT

# measure NAME VALIDITY MODE OPTION...: measures one case on a new mount
measure() {
	local name=$1 validity=$2 mode=$3 server agent="" figures
	shift 3
	"$dir/efuse-count" serve "$mnt" "$validity" &
	server=$!
	until grep -q " $mnt fuse.count" /proc/self/mounts; do sleep 0.1; done
	if [ -n "$mode" ]; then
		"$dir/efuse-agent" --mount "$mnt" --fstype fuse.count --mode "$mode" --bound 60000 \
			--meta redis://127.0.0.1:6397 --metrics 9902 "$@" >/tmp/count-agent.log 2>&1 &
		agent=$!
		until grep -q serving /tmp/count-agent.log; do sleep 0.1; done
		sleep 1
	fi
	"$dir/efuse-count" measure "$mnt" 100 >/dev/null
	figures=$("$dir/efuse-count" measure "$mnt" 500)
	if [ -n "$agent" ]; then
		kill "$agent"
		wait "$agent" || true
	fi
	umount -l "$mnt"
	wait "$server" || true
	# shellcheck disable=SC2086 # four words
	set -- $figures
	echo "{\"kernel\":\"$(uname -r)\",\"case\":\"$name\",\"stat\":$2,\"fstat\":$4}"
}

if [ -e /dev/efuse ]; then rmmod efuse; fi
measure "kernel's cache, no module" 1000 ""
measure "upcall, no module" 0 ""
insmod "$dir/efuse.ko"
measure "kernel's cache, module loaded" 1000 ""
measure "upcall, module loaded" 0 ""
measure "kernel's cache, hooked" 1000 off
measure "upcall, hooked, mode off" 0 off
measure "hit, lease" 0 lease
measure "hit, lease, the kernel keeps answers" 0 lease --kernel-cache on
rmmod efuse

# The same with JuiceFS, if it is installed: its daemon and its Redis are part of
# an upcall. The machine has one CPU, so all time that is not idle is spent on the
# request.
command -v juicefs >/dev/null || exit 0
mkdir -p /tmp/count-bucket /tmp/jfs
juicefs format --storage file --bucket /tmp/count-bucket redis://127.0.0.1:6397/2 count >/dev/null 2>&1
juicefs mount --attr-cache 0 --entry-cache 0 --dir-entry-cache 0 --no-usage-report --no-bgjob \
	redis://127.0.0.1:6397/2 /tmp/jfs >/dev/null 2>&1 &
until grep -q " /tmp/jfs fuse.juicefs" /proc/self/mounts; do sleep 0.5; done
echo 0123456789 >/tmp/jfs/f
sleep 5
idle() { awk '$1 == "cpu" { print $5 + $6 }' /proc/stat; }
juice() {
	local before figures
	"$dir/efuse-count" measure /tmp/jfs 20 >/dev/null
	before=$(idle)
	figures=$("$dir/efuse-count" measure /tmp/jfs 100)
	# shellcheck disable=SC2086 # four words
	set -- "$1" $figures
	echo "{\"kernel\":\"$(uname -r)\",\"case\":\"$1\",\"stat\":$3,\"fstat\":$5,\"idle_ticks\":$(($(idle) - before))}"
}
juice "JuiceFS upcall, no module"
insmod "$dir/efuse.ko"
"$dir/efuse-agent" --mount /tmp/jfs --mode lease --bound 60000 --meta redis://127.0.0.1:6397/2 >/tmp/count-agent.log 2>&1 &
agent=$!
until grep -q serving /tmp/count-agent.log; do sleep 0.1; done
sleep 1
juice "JuiceFS hit, lease"
kill "$agent"
wait "$agent" || true
rmmod efuse
