#!/usr/bin/env bash
# Measures the cost of capture as ratios, with Redis over a veth between two network namespaces. The arms are no program, packet-dma
# native and generic, and tcpdump, each writing pcap to memory; each of BLOCKS blocks shuffles them. Needs root.
# Usage: measure.sh LOADER [BLOCKS]
# Prints requests per second and the mean time of a request, with ../common/ratios.py.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
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
# shellcheck source=bpf/packet-dma/pair.sh
. "$here/pair.sh"
make_pair 1500
redis-server --port 6400 --bind 10.9.0.2 --protected-mode no --save '' >/dev/null &
running+=($!)
until peer redis-cli -h 10.9.0.2 -p 6400 ping >/dev/null 2>&1; do sleep 0.2; done

# figures SIZE: prints requests per second over 8 connections, and the mean time in us over one, of SETs of SIZE bytes.
figures() {
  local bench=(peer redis-benchmark -h 10.9.0.2 -p 6400 -d "$1" -t set --csv)
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
python3 "$here/../common/ratios.py" "$work/figures" none again native generic tcpdump -- "requests /s" "latency us"
