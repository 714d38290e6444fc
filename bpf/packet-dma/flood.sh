#!/usr/bin/env bash
# Measures how many packets each capture method receives from a sender at full speed, and the effect on the sender. It sends UDP
# over a veth between two network namespaces to a closed port. The arms are no program, packet-dma native and generic, tcpdump
# (AF_PACKET), and AF_XDP, which removes packets from the stack; each of BLOCKS blocks shuffles them. Needs root.
# Prints each arm's packets sent per second and captured share in %, with ../common/ratios.py.
# Usage: flood.sh LOADER FLOOD [BLOCKS] [SECONDS]
set -euo pipefail
here=$(realpath "$(dirname "$0")")
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
# shellcheck source=bpf/packet-dma/pair.sh
. "$here/pair.sh"
make_pair 1500

start() {
  case $1 in
  none) return ;;
  tcpdump) tcpdump -Z root -Q in -i pd0 -B 8192 -w /dev/null 2>"$work/report" & ;;
  afxdp)
    receive_by_afxdp
    return
    ;;
  *) "$loader" -I pd0 --mode "$1" -w /dev/null --json >"$work/report" 2>/dev/null & ;;
  esac
  pid=$!
  sleep 1
}
# Retries, because the kernel releases the queue some time after its last user has ended.
receive_by_afxdp() {
  for _ in $(seq 30); do
    "$flood" receive pd0 >"$work/report" 2>"$work/error" &
    pid=$!
    sleep 1
    if kill -0 "$pid" 2>/dev/null; then return; fi
  done
  cat "$work/error" >&2
  return 1
}
# end ARM: ends the capture and prints its number of packets.
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
      # A fixed neighbour entry, because the AF_XDP receiver also takes ARP requests.
      peer ip neigh replace 10.9.0.2 lladdr "$(ip -j link show pd0 | jq -r ".[0].address")" dev pd1
      sent=$(peer "$flood" send 10.9.0.2 "$size" "$seconds")
      end "${arm/again/none}" >"$work/captured"
      # The first block warms up.
      [ "$block" -eq 0 ] || awk -v seconds="$seconds" -v sent="$sent" -v row="$size $block $arm" \
        '{ print row, sent / seconds, 100 * $1 / sent }' "$work/captured"
    done
  done
done >"$work/figures"
python3 "$here/../common/ratios.py" "$work/figures" none again native generic tcpdump afxdp -- "sent /s" "captured % plain"
