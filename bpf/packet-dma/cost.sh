#!/usr/bin/env bash
# Cost of one run of the program, copy included, by BPF_PROG_TEST_RUN, against the same copy into a mapped array: the least of
# 15 means of 2,000 runs, which a busy machine disturbs least. As root, with bpftool.
# Usage: cost.sh LOADER ARRAY-OBJECT
set -euo pipefail
loader=$(realpath "$1")
array=$(realpath "$2")
work=$(mktemp -d)
cleanup() {
  kill "$pid"
  ip link del pd-cost
  rm -f /sys/fs/bpf/pd-array
  rm -rf "$work"
}
trap 'cleanup 2>/dev/null || true' EXIT
ip link add pd-cost type veth
ip link set pd-cost up
"$loader" -I pd-cost --ring 64 --json >"$work/report" 2>"$work/errors" &
pid=$!
until [ -e /sys/fs/bpf/disgrafs/packet-dma/pd_capture ]; do sleep 0.1; done
bpftool prog load "$array" /sys/fs/bpf/pd-array
least() { # PIN SIZE
  head -c "$2" /dev/zero >"$work/packet"
  for _ in $(seq 15); do
    bpftool -j prog run pinned "$1" data_in "$work/packet" repeat 2000 | jq .duration
    # The reader empties the ring.
    sleep 0.3
  done | sort -n | head -n 1
}
for size in 64 1500 9000; do
  echo "$size bytes: ring buffer $(least /sys/fs/bpf/disgrafs/packet-dma/pd_capture "$size") ns," \
    "array $(least /sys/fs/bpf/pd-array "$size") ns"
done
kill "$pid"
wait "$pid" || true
# Nothing was dropped, or the figure would be that of a full ring.
cat "$work/report"
grep -q '"dropped":0' "$work/report"
