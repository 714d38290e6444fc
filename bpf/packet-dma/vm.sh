#!/usr/bin/env bash
# Tests packet-dma in a VM, as root; prints TAP.
# shellcheck disable=SC2317,SC2329 # functions are called by name, through check
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=bpf/common/tap.sh
. ./tap.sh
# shellcheck source=bpf/packet-dma/pair.sh
. ./pair.sh
loader=/opt/disgrafs/extensions/packet-dma/bin/packet-dma
work=$(mktemp -d)
running=()
cleanup() {
  kill "${running[@]}" 2>/dev/null
  ip netns del pd-peer
  rm -rf "$work"
}
trap 'cleanup 2>/dev/null || true' EXIT

make_pair 9000
# Packets on the wire are then at most as long as the MTU, and tcpdump sees what the driver saw.
offloads() {
  ethtool -K pd0 gro "$1" gso "$1" tso "$1" >/dev/null
  peer ethtool -K pd1 gro "$1" gso "$1" tso "$1" >/dev/null
}
offloads off
redis-server --port 6400 --bind 10.9.0.2 --protected-mode no --save '' --daemonize no >/dev/null &
running+=($!)
ask() { timeout 60 ip netns exec pd-peer redis-cli -h 10.9.0.2 -p 6400 "$@"; }
wait_for 60 ask ping

# capture NAME OPTION...: the loader in the background; returns when it is attached.
capture() {
  local name=$1
  shift
  "$loader" --interface pd0 --json "$@" >"$work/$name.json" 2>"$work/$name.err" &
  loader_pid=$!
  running+=("$loader_pid")
  wait_for 60 bash -c 'ip -d link show pd0 | grep -q xdp'
}
end_capture() {
  kill "$loader_pid"
  wait "$loader_pid"
}

# Values of 1 byte to 100 kB there and back, and the largest frames that fit.
traffic() {
  head -c 100000 /dev/urandom >"$work/value"
  for size in 1 100 1400 8900 20000 100000; do
    head -c "$size" "$work/value" | ask -x set "key$size" >/dev/null
    [ "$(ask strlen "key$size")" = "$size" ]
  done
  peer ping -q -c 3 -i 0.2 -s 8972 -M "do" 10.9.0.2 >/dev/null
}

# both NAME OPTION...: the same traffic seen by tcpdump and by us.
both() {
  local name=$1 dump
  tcpdump -Q in -i pd0 -B 16384 --nano -U -w "$work/$name.tcpdump" 2>"$work/tcpdump.err" &
  dump=$!
  wait_for 60 grep -q 'listening on' "$work/tcpdump.err"
  capture "$@" --write "$work/$name.pcap"
  traffic
  end_capture
  # tcpdump has written all that we have when it has written what came after.
  ask echo "the end of $name" >/dev/null
  wait_for 60 grep -qa "the end of $name" "$work/$name.tcpdump"
  kill "$dump"
  wait "$dump" || true
}

# same_bytes NAME LONGEST: what both have is equal, all of the traffic's, and has a packet of LONGEST bytes at least.
same_bytes() {
  python3 same_packets.py "$work/$1.tcpdump" "$work/$1.pcap" | tee "$work/same"
  [ "$(grep -oE '[0-9]+$' "$work/same")" -ge "$2" ]
  tail -n 1 "$work/$1.json"
  jq -se --argjson packets "$(sed 's/.*packet-dma \([0-9]*\).*/\1/' "$work/same")" \
    '.[-1] | .captured == $packets and .dropped == 0 and .cut == 0' "$work/$1.json"
  # Both requests for the largest value, set and strlen, are there; TCP may have sent one again.
  [ "$(grep -ao key100000 "$work/$1.pcap" | wc -l)" -ge 2 ]
}

mode_is() { jq -se --arg mode "$2" '.[-1].mode == $mode' "$work/$1.json"; }

preflight() {
  local answer
  answer=$("$loader" --preflight --interface "$1" "${@:2}")
  echo "$answer"
  jq -e .supported <<<"$answer"
}
no_such_interface() {
  "$loader" --preflight --interface nope | tee "$work/answer"
  jq -e '.supported == false and .reason == "no interface nope"' "$work/answer"
}

# A stopped reader: the ring fills, packets pass all the same, and every one is counted as captured or dropped.
slow_reader() {
  capture slow --ring 1
  kill -STOP "$loader_pid"
  for _ in 1 2 3; do head -c 2000000 /dev/urandom | ask -x set big >/dev/null; done
  [ "$(ask strlen big)" = 2000000 ]
  kill -CONT "$loader_pid"
  end_capture
  cat "$work/slow.json"
  jq -se '.[-1] | .dropped > 0 and .captured > 0 and .bytes <= 3000000' "$work/slow.json"
}

# One connection through attach, detach, attach, a killed reader: each answer comes, on the same connection.
connections_survive() {
  mkfifo "$work/in"
  peer redis-cli -h 10.9.0.2 -p 6400 <"$work/in" >"$work/answers" &
  local client=$!
  exec 9>"$work/in"
  answered 1
  capture one
  answered 2
  end_capture
  answered 3
  capture two
  echo "client id" >&9
  kill -9 "$loader_pid"
  wait "$loader_pid" 2>/dev/null || true
  wait_for 60 answers 4
  answered 5
  exec 9>&-
  wait "$client"
  "$loader" --remove
  cat "$work/answers"
  [ "$(wc -l <"$work/answers")" -eq 5 ]
  [ "$(sort -u "$work/answers" | wc -l)" -eq 1 ]
}

# answered N: one more question, whose answer is the Nth.
answered() {
  echo "client id" >&9
  wait_for 60 answers "$1"
}
answers() { [ "$(wc -l <"$work/answers")" -eq "$1" ]; }

detached() { refuses bash -c 'ip -d link show pd0 | grep xdp'; }

interface_taken() {
  capture first --mode generic
  # Another instance of ours is refused by its lock; another program by the kernel.
  refuses "$loader" --interface pd0 -d 1 2>"$work/second"
  end_capture
  grep "another instance is running" "$work/second"
}

snap_length() {
  capture snap --write "$work/snap.pcap" --snap-length 60
  traffic
  end_capture
  cat "$work/snap.json"
  jq -se '.[-1] | .cut > 0 and .bytes <= 60 * .captured' "$work/snap.json"
  tcpdump -nr "$work/snap.pcap" >"$work/snap.text" 2>/dev/null
  grep -q "10.9.0.1.* > 10.9.0.2.6400" "$work/snap.text"
}

limit() {
  capture limit --write "$work/limit.pcap" --limit 1
  head -c 3000000 /dev/urandom | ask -x set big >/dev/null
  end_capture
  [ "$(stat -c %s "$work/limit.pcap")" -le 1048576 ]
  jq -se '.[-1] | .unwritten > 0' "$work/limit.json"
  # Only root may read the captured traffic.
  [ "$(stat -c %a "$work/limit.pcap")" = 600 ]
}

# The tags of VLAN 7: lost where the card takes them off, which is said; kept where it does not.
vlan_tags() {
  peer ip link add link pd1 name pd1.7 type vlan id 7
  peer ip addr add 10.9.7.1/24 dev pd1.7
  peer ip link set pd1.7 up
  local stripped
  for stripped in on off; do
    ethtool -K pd0 rxvlan "$stripped" >/dev/null
    peer ethtool -K pd1 txvlan "$stripped" >/dev/null
    capture "vlan-$stripped" --write "$work/vlan-$stripped.pcap"
    # Nobody answers, so there is one ARP request per second; a link that was just changed may lose the first one.
    peer ping -q -c 20 -i 0.2 -W 1 10.9.7.2 >/dev/null || true
    end_capture
    tcpdump -nr "$work/vlan-$stripped.pcap" "arp or vlan 7" >"$work/vlan-$stripped.text" 2>/dev/null
    tcpdump -nr "$work/vlan-$stripped.pcap" "vlan 7" >"$work/vlan-$stripped.tags" 2>/dev/null
  done
  peer ip link del pd1.7
  [ -s "$work/vlan-on.text" ] && [ ! -s "$work/vlan-on.tags" ] && [ -s "$work/vlan-off.tags" ]
  grep "removes VLAN tags" "$work/vlan-on.err"
  refuses grep "removes VLAN tags" "$work/vlan-off.err"
  jq -se '.[-1].vlanTags == false' "$work/vlan-on.json"
  jq -se '.[-1].vlanTags == true' "$work/vlan-off.json"
}

# The seed's program for this, as the verifier sees it.
seed_is_refused() {
  refuses ./refused >"$work/refused" 2>&1
  cat "$work/refused"
  grep "refused: does not load: Invalid argument" "$work/refused"
  # In other words from kernel to kernel, but always the helper's name.
  grep "call bpf_probe_write_user" "$work/refused"
}

# An object made for another kernel: libbpf says what it did not find.
other_kernel() {
  refuses ./refused --program other-kernel >"$work/refused" 2>&1
  cat "$work/refused"
  grep "refused: does not load: " "$work/refused"
  grep "not_in_this_kernel" "$work/refused"
}

killed() {
  killed_at_every_step "${KILL_STRIDE:-10}" 3 "$loader" --interface pd0 -d 1
  detached
}

check "preflight says that it is supported" preflight pd0
check "an interface can be named by its address" preflight 10.9.0.2
check "preflight names an interface that is not there" no_such_interface
both native --mode native
check "native: byte for byte what tcpdump sees, jumbo frames too" same_bytes native 9014
check "native mode is what was asked for" mode_is native native
both generic --mode generic
check "generic: byte for byte what tcpdump sees" same_bytes generic 9014
check "generic mode is what was asked for" mode_is generic generic
offloads on
both fragments --mode generic
check "segments above the MTU, as offloads make them: byte for byte what tcpdump sees" same_bytes fragments 9015
offloads off
check "a slow reader loses copies, counted, and no packet" slow_reader
check "a connection survives attach, detach and a killed reader" connections_survive
check "an interface that is taken is refused" interface_taken
check "snap length cuts" snap_length
check "the limit of the file is kept" limit
check "VLAN tags are kept, and where the card takes them off that is said" vlan_tags
check "the seed's bpf_probe_write_user is refused by the verifier, and its log shown" seed_is_refused
check "an object for another kernel is refused, and its log says what the kernel does not have" other_kernel
check "nothing is left of what was refused" nothing_left ./refused
check "killed at every step: nothing is left" killed
check "nothing is left" nothing_left "$loader"
check "nothing is attached" detached
done_testing
