#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Measures the cost of reads: from JuiceFS's daemon, in the kernel from the block cache, and from the node's own disk. The
# block files are in the page cache; the mount's own pages are dropped before each round. For a machine with one CPU and
# QEMU's `-icount shift=0,sleep=off`, where the guest's nanoseconds are instructions. Usage: count-reads.sh DIR; prints a
# line of JSON for each case, for some more than one: instructions per operation, the minimum of several rounds.
set -euo pipefail
dir=$1
mnt=/tmp/jfs-count
meta=redis://127.0.0.1:6396/0
cache=/var/tmp/count-cache
rm -rf "$cache" /var/tmp/count-bucket
mkdir -p "$mnt" "$cache" /var/tmp/count-bucket /var/tmp/small
redis-server --port 6396 --bind 127.0.0.1 --save "" >/dev/null &
redis=$!
trap 'kill "$redis"' EXIT
head -c 4194304 /dev/urandom >/var/tmp/count-file
head -c 33554432 /dev/urandom >/var/tmp/count-big
for i in $(seq 50); do head -c 4096 /dev/urandom >"/var/tmp/small/$i"; done
until redis-cli -p 6396 ping >/dev/null 2>&1; do sleep 0.1; done
juicefs format --storage file --bucket /var/tmp/count-bucket "$meta" count >/dev/null 2>&1

# on OPTION...: mounts with these options
on() {
	juicefs mount "$@" --no-usage-report --no-bgjob --backup-meta 0 --cache-dir "$cache" "$meta" "$mnt" >/dev/null 2>&1 &
	until grep -q " $mnt fuse.juicefs" /proc/self/mounts; do sleep 0.5; done
}
off() {
	juicefs umount "$mnt" >/dev/null 2>&1
	while grep -q " $mnt fuse.juicefs" /proc/self/mounts; do sleep 0.5; done
}
# smalls FOLDER: cost of open, fstat, read and close of one 4 KiB file, from 50 files and one process
smalls() {
	python3 - "$1" <<-'EOF'
		import os, sys, time
		best = None
		for _ in range(6):
		    start = time.monotonic_ns()
		    for i in range(1, 51):
		        fd = os.open(f"{sys.argv[1]}/{i}", os.O_RDONLY)
		        os.fstat(fd)
		        assert len(os.read(fd, 65536)) == 4096
		        os.close(fd)
		    each = (time.monotonic_ns() - start) // 50
		    best = each if best is None else min(best, each)
		print(best)
	EOF
}
# first FILE: cost of 128 KiB when a file of 8 blocks is read from its beginning to its end, for the first time since the
# agent's start
first() {
	local start
	dd if="$1" iflag=nocache count=0 2>/dev/null
	start=$(date +%s%N)
	dd if="$1" of=/dev/null bs=131072 2>/dev/null
	echo $((($(date +%s%N) - start) / 256))
}
# figures NAME FILE FOLDER FIRST: prints the results of one case
figures() {
	local r4 w4 s128 d4 cat small start how=random
	if [ "$1" = "the node's disk, warm" ]; then how=warm; fi
	r4=$("$dir/efuse-count" read "$2" 4096 "$how")
	w4=$("$dir/efuse-count" read "$2" 4096 warm)
	s128=$("$dir/efuse-count" read "$2" 131072 "$([ "$how" = warm ] && echo warm || echo sequential)")
	d4=$("$dir/efuse-count" read "$2" 4096 direct)
	start=$(date +%s%N)
	cat "$2" >/dev/null
	cat=$(($(date +%s%N) - start))
	small=$(smalls "$3")
	echo "{\"kernel\":\"$(uname -r)\",\"case\":\"$1\",\"random4k\":$r4,\"warm4k\":$w4,\"sequential128k\":$s128,\"direct4k\":$d4,\"first128k\":$4,\"cat4m\":$cat,\"small\":$small}"
}
with_agent() {
	local name=$1 agent first
	shift
	insmod "$dir/efuse.ko"
	"$dir/efuse-agent" --mount "$mnt" --mode lease --bound 60000 --meta "$meta" "$@" >/tmp/count-agent.log 2>&1 &
	agent=$!
	until grep -q serving /tmp/count-agent.log; do sleep 0.1; done
	first=$(first "$mnt/big")
	for _ in $(seq 20); do
		cat "$mnt/file" >/dev/null
		sleep 0.2
	done
	figures "$name" "$mnt/file" "$mnt/small" "$first"
	kill "$agent"
	wait "$agent" || true
	rmmod efuse
}

if [ -e /dev/efuse ]; then rmmod efuse; fi
figures "the node's disk, warm" /var/tmp/count-file /var/tmp/small null
on
mkdir -p "$mnt/small"
cp /var/tmp/count-file "$mnt/file"
cp /var/tmp/count-big "$mnt/big"
cp /var/tmp/small/* "$mnt/small/"
sleep 3
for _ in $(seq 5); do
	cat "$mnt/file" "$mnt/big" >/dev/null
	sleep 1
done
figures "JuiceFS's defaults" "$mnt/file" "$mnt/small" "$(first "$mnt/big")"
off
on --attr-cache 0 --entry-cache 0 --dir-entry-cache 0
cat "$mnt/file" >/dev/null
figures "cache times 0" "$mnt/file" "$mnt/small" "$(first "$mnt/big")"
# The agent looks for the blocks elsewhere, so that each read() is asked for and goes to the daemon. In turn with the case that
# it is compared with, because the daemon's counts drift by some percent.
mkdir -p /var/tmp/count-nothing
for _ in 1 2 3; do
	with_agent "lease"
	with_agent "lease, reads of what is not cached" --reads cache --cache-dir /var/tmp/count-nothing
done
with_agent "lease, reads" --reads cache
with_agent "lease, the kernel keeps answers" --kernel-cache on
with_agent "lease, the kernel keeps answers, reads" --kernel-cache on --reads cache
with_agent "lease, the kernel keeps answers, reads after pages" --kernel-cache on --reads after-pages
off
