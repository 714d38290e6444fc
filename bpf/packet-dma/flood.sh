#!/usr/bin/env bash
# How many packets each way to capture gets when they come as fast as one sender can, and what that does to the sender: UDP
# over a veth between two network namespaces to a port that nobody listens on, with no program, packet-dma native and generic,
# tcpdump (AF_PACKET) and AF_XDP, which takes packets out of the stack; the arms shuffled in each of BLOCKS blocks. As root.
# Prints per arm the median of packets sent/s, of each block's ratio to `none` with the least and the greatest, and the part of
# the sent packets that was captured.
# Usage: flood.sh LOADER FLOOD [BLOCKS] [SECONDS]
set -euo pipefail
loader=$(realpath "$1")
flood=$(realpath "$2")
blocks=${3:-8}
seconds=${4:-1}
work=$(mktemp -d /dev/shm/packet-dma.XXXXXX)
cleanup() {
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

start() {
  case $1 in
  none) return ;;
  tcpdump) tcpdump -Z root -Q in -i pd0 -B 8192 -w /dev/null 2>"$work/report" & ;;
  afxdp) "$flood" receive pd0 >"$work/report" & ;;
  *) "$loader" -I pd0 --mode "$1" -w /dev/null --json >"$work/report" 2>/dev/null & ;;
  esac
  pid=$!
  sleep 1
}
# end ARM: how many packets it got.
end() {
  if [ "$1" = none ]; then
    echo 0
    return
  fi
  sleep 0.5
  kill "$pid"
  wait "$pid" || true
  case $1 in
  tcpdump) sed -n 's/ packets\? captured//p' "$work/report" ;;
  afxdp) cat "$work/report" ;;
  *) jq -s '.[-1].captured' "$work/report" ;;
  esac
}
for size in 64 1400; do
  for ((block = 0; block <= blocks; block++)); do
    for arm in $(printf '%s\n' none again native generic tcpdump afxdp | shuf); do
      start "${arm/again/none}"
      # The neighbour's address is known, where ARP still gets an answer.
      ip -n pd-peer neigh replace 10.9.0.2 lladdr "$(ip -j link show pd0 | jq -r ".[0].address")" dev pd1
      sent=$(ip netns exec pd-peer "$flood" send 10.9.0.2 "$size" "$seconds")
      end "${arm/again/none}" >"$work/captured"
      # The first block warms up.
      [ "$block" -eq 0 ] || echo "$size $block $arm $sent $(cat "$work/captured")"
    done
  done
done >"$work/figures"
python3 - "$work/figures" "$seconds" <<'PYTHON'
import statistics, sys

rows = [line.split() for line in open(sys.argv[1])]
for size in sorted({row[0] for row in rows}, key=int):
    base = {row[1]: float(row[3]) for row in rows if row[0] == size and row[2] == "none"}
    for arm in ["none", "again", "native", "generic", "tcpdump", "afxdp"]:
        own = {row[1]: float(row[3]) for row in rows if row[0] == size and row[2] == arm}
        part = statistics.median(float(row[4]) / float(row[3]) for row in rows if row[0] == size and row[2] == arm)
        ratios = sorted(own[block] / base[block] for block in own)
        print(f"{size:>5} B  {arm:8} {statistics.median(own.values()) / float(sys.argv[2]):9.0f} sent/s  "
              f"ratio {statistics.median(ratios):.3f}  ({ratios[0]:.3f} .. {ratios[-1]:.3f})  captured {part:.1%}")
PYTHON
