#!/usr/bin/env bash
# Measures the effect of the redirection as ratios: redis-benchmark with a Redis on the same node, with and without the extension.
# Redis and hiredis set TCP_NODELAY in all arms. Each of BLOCKS blocks shuffles the arms. Needs root.
# Prints requests per second and the mean time of a request, with ../common/ratios.py.
# Usage: measure.sh LOADER CGROUP2-MOUNT [BLOCKS]
set -euo pipefail
loader=$(realpath "$1")
group=$2/redis-sockmap-measure
blocks=${3:-10}
work=$(mktemp -d /dev/shm/redis-sockmap.XXXXXX)
mkdir -p "$group"
cleanup() {
  redis-cli -p 6400 shutdown nosave
  sleep 0.5
  rmdir "$group"
  rm -rf "$work"
}
trap 'cleanup >/dev/null 2>&1 || true' EXIT
inside() {
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    exec "$@"
  )
}
inside redis-server --port 6400 --bind 127.0.0.1 --save '' >/dev/null &
until redis-cli -p 6400 ping >/dev/null 2>&1; do sleep 0.2; done
# figures SIZE: prints requests per second over 8 connections, and the mean time in us over one, of GETs of SIZE bytes.
figures() {
  local bench=(inside redis-benchmark -p 6400 -d "$1" --csv)
  "${bench[@]}" -c 8 -n 8000 -t set,get | awk -F'"' '$2 == "GET" { printf "%s ", $4 }'
  "${bench[@]}" -c 1 -n 3000 -t get | awk -F'"' '$2 == "GET" { print 1e6 / $4 }'
}
for size in 64 4096 65536; do
  for ((block = 0; block <= blocks; block++)); do
    for arm in $(printf '%s\n' none again sockmap | shuf); do
      if [ "$arm" = sockmap ]; then
        "$loader" --cgroup "$group" --port 6400 --json >>"$work/report" &
        pid=$!
        sleep 1
      fi
      figure=$(figures "$size")
      if [ "$arm" = sockmap ]; then
        kill "$pid"
        wait "$pid"
        # The arm was active only if messages were redirected.
        tail -n 1 "$work/report" | grep -qv '"redirected":0'
      fi
      [ "$block" -eq 0 ] || echo "$size $block $arm $figure"
    done
  done
done >"$work/figures"
python3 "$(dirname "$0")/../common/ratios.py" "$work/figures" none again sockmap -- "requests /s" "latency us"
