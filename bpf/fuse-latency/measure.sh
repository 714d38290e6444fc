#!/usr/bin/env bash
# Measures the cost of fuse-latency as ratios. One process sends STATFS, which is never cached, to a FUSE file system that answers
# at once (testfs). The arms are no extension (twice), fentry and kprobes; each of BLOCKS blocks shuffles them. Needs root.
# Prints requests per second, with ../common/ratios.py.
# Usage: measure.sh LOADER TESTFS [BLOCKS] [SECONDS]
set -euo pipefail
loader=$(realpath "$1")
testfs=$(realpath "$2")
blocks=${3:-10}
seconds=${4:-2}
work=$(mktemp -d)
mkdir "$work/mount"
cleanup() {
  umount "$work/mount"
  rm -rf "$work"
}
trap 'cleanup 2>/dev/null || true' EXIT
"$testfs" "$work/mount" "$work/counts" &
until mountpoint -q "$work/mount"; do sleep 0.1; done

# rate: prints STATFS requests per second.
rate() {
  python3 - "$work/mount" "$seconds" <<'PYTHON'
import os, sys, time

path, length = sys.argv[1], float(sys.argv[2])
begin, count = time.perf_counter(), 0
while (now := time.perf_counter()) < begin + length:
    for _ in range(50):
        os.statvfs(path)
    count += 50
print(count / (now - begin))
PYTHON
}
for ((block = 0; block <= blocks; block++)); do
  for arm in $(printf '%s\n' none again fentry kprobe | shuf); do
    case $arm in
    fentry | kprobe)
      "$loader" --method "$arm" --json >"$work/report" &
      pid=$!
      until "$loader" --status | jq -e '.pinned and (.programs | length == 5)' >/dev/null; do sleep 0.1; done
      sleep 0.5
      figure=$(rate)
      kill "$pid"
      wait "$pid"
      # The arm was active only if it counted the requests.
      jq -e '.series[] | select(.opcode == "STATFS") | .count > 100' "$work/report" >/dev/null
      ;;
    *) figure=$(rate) ;;
    esac
    # The first block warms up.
    [ "$block" -eq 0 ] || echo "STATFS $block $arm $figure"
  done
done >"$work/figures"
python3 "$(dirname "$0")/../common/ratios.py" "$work/figures" none again fentry kprobe -- "requests /s"
