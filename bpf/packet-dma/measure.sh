#!/usr/bin/env bash
# What capture costs, as ratios: Redis over a veth between two network namespaces, with no program, packet-dma native and
# generic, and tcpdump, each writing pcap to memory; the arms shuffled in each of BLOCKS blocks. As root; needs nothing else.
# Usage: measure.sh LOADER [BLOCKS]
# Prints per arm the median of requests/s and of the time of one request, and of each block's ratio to `none`, with the least
# and the greatest.
set -euo pipefail
loader=$(realpath "$1")
blocks=${2:-10}
work=$(mktemp -d /dev/shm/packet-dma.XXXXXX)
running=()
cleanup() {
  kill "${running[@]}" 2>/dev/null
  ip netns del pd-peer
  rm -rf "$work"
}
trap 'cleanup 2>/dev/null || true' EXIT
ip netns add pd-peer
ip link add pd0 type veth peer name pd1 netns pd-peer
ip addr add 10.9.0.2/24 dev pd0
ip -n pd-peer addr add 10.9.0.1/24 dev pd1
ip link set pd0 up
ip -n pd-peer link set pd1 up
redis-server --port 6400 --bind 10.9.0.2 --protected-mode no --save '' >/dev/null &
running+=($!)
until ip netns exec pd-peer redis-cli -h 10.9.0.2 -p 6400 ping >/dev/null 2>&1; do sleep 0.2; done

# figures SIZE: SETs of SIZE bytes: how many a second over 8 connections, and the mean time of one, in us, over one.
figures() {
  local bench=(ip netns exec pd-peer redis-benchmark -h 10.9.0.2 -p 6400 -d "$1" -t set --csv)
  "${bench[@]}" -c 8 -n 20000 | awk -F'"' '$2 == "SET" { printf "%s ", $4 }'
  "${bench[@]}" -c 1 -n 4000 | awk -F'"' '$2 == "SET" { print 1e6 / $4 }'
}
start() {
  case $1 in
  none) return ;;
  tcpdump) tcpdump -Z root -Q in -i pd0 -B 8192 -w "$work/pcap" 2>/dev/null & ;;
  *) "$loader" -I pd0 --mode "$1" -w "$work/pcap" >"$work/report" 2>/dev/null & ;;
  esac
  arm_pid=$!
  sleep 1
}
end() {
  [ "$1" != none ] || return 0
  kill "$arm_pid"
  wait "$arm_pid" || true
  rm -f "$work/pcap"
}
for size in 64 4096; do
  for ((block = 0; block <= blocks; block++)); do
    for arm in $(printf '%s\n' none again native generic tcpdump | shuf); do
      start "${arm/again/none}"
      figure=$(figures "$size")
      end "${arm/again/none}"
      # The first block warms up.
      [ "$block" -eq 0 ] || echo "$size $block $arm $figure"
    done
  done
done >"$work/figures"
python3 - "$work/figures" <<'PYTHON'
import statistics, sys

rows = [line.split() for line in open(sys.argv[1])]
arms = list(dict.fromkeys(sorted((row[2] for row in rows), key="none again native generic tcpdump sockmap".split().index)))
for size in sorted({row[0] for row in rows}, key=int):
    for column, title, unit in (3, "requests", "/s"), (4, "latency", " us"):
        base = {row[1]: float(row[column]) for row in rows if row[0] == size and row[2] == "none"}
        for arm in arms:
            own = {row[1]: float(row[column]) for row in rows if row[0] == size and row[2] == arm}
            ratios = sorted(own[block] / base[block] for block in own)
            print(f"{size:>6} B  {title:8} {arm:8} {statistics.median(own.values()):9.0f}{unit:3}  "
                  f"ratio {statistics.median(ratios):.3f}  ({ratios[0]:.3f} .. {ratios[-1]:.3f})")
PYTHON
