#!/usr/bin/env bash
# Measures the cost of one run of the program, including the copy, with BPF_PROG_TEST_RUN, and compares it with writing the same
# packet to a mapped array and to an arena. Prints the minimum of 30 means of 200 runs, because a busy machine affects the minimum
# least. Each buffer has 4 MiB, which 200 runs do not fill twice, so all benefit equally from the CPU's caches. Needs root, bpftool,
# and a bpf file system on /sys/fs/bpf.
# Usage: cost.sh LOADER OBJECT...    (objects: test-tools/array.bpf.o, test-tools/arena.bpf.o of a build)
set -euo pipefail
loader=$(realpath "$1")
shift
objects=("$@")
pins=/sys/fs/bpf/pd-cost
work=$(mktemp -d)
cleanup() {
  kill "$pid"
  ip link del pd-cost
  rm -rf "$pins" "$work"
}
trap 'cleanup 2>/dev/null || true' EXIT
ip link add pd-cost type veth
ip link set pd-cost up
"$loader" -I pd-cost --ring 4 --json >"$work/report" 2>"$work/errors" &
pid=$!
until [ -e /sys/fs/bpf/disgrafs/packet-dma/pd_capture ]; do
  kill -0 "$pid" || { cat "$work/errors" >&2; exit 1; }
  sleep 0.1
done
mkdir "$pins"
for object in "${objects[@]}"; do bpftool prog load "$object" "$pins/$(basename "$object" .bpf.o)"; done
least() { # PIN SIZE
  head -c "$2" /dev/zero >"$work/packet"
  for _ in $(seq 30); do
    bpftool -j prog run pinned "$1" data_in "$work/packet" repeat 200 | jq .duration
    # Meanwhile, the reader empties the ring.
    sleep 0.2
  done | sort -n | head -n 1
}
for size in 64 1500 9000; do
  echo "$size bytes: ring buffer $(least /sys/fs/bpf/disgrafs/packet-dma/pd_capture "$size") ns"
  for pin in "$pins"/*; do echo "$size bytes: ${pin##*/} $(least "$pin" "$size") ns"; done
done
kill "$pid"
wait "$pid" || true
# If packets were dropped, the measured ring was full.
cat "$work/report"
grep -q '"dropped":0' "$work/report"
