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
# offloads on|off. With off, packets are at most as long as the MTU, and tcpdump sees the same packets as the driver.
offloads() {
  ethtool -K pd0 gro "$1" gso "$1" tso "$1" >/dev/null
  peer ethtool -K pd1 gro "$1" gso "$1" tso "$1" >/dev/null
}
offloads off
redis-server --port 6400 --bind 10.9.0.2 --protected-mode no --save '' --daemonize no >/dev/null &
running+=($!)
ask() { timeout 60 ip netns exec pd-peer redis-cli -h 10.9.0.2 -p 6400 "$@"; }
wait_for 60 ask ping

# capture NAME OPTION...: starts the loader in the background, and returns when it is attached.
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

# traffic: sends values of 1 byte to 100 kB and reads their lengths, and sends the largest frames that the MTU allows.
traffic() {
  head -c 100000 /dev/urandom >"$work/value"
  for size in 1 100 1400 8900 20000 100000; do
    head -c "$size" "$work/value" | ask -x set "key$size" >/dev/null
    [ "$(ask strlen "key$size")" = "$size" ]
  done
  peer ping -q -c 3 -i 0.2 -s 8972 -M "do" 10.9.0.2 >/dev/null
}

# both NAME OPTION...: captures the same traffic with tcpdump and with packet-dma.
both() {
  local name=$1 dump
  tcpdump -Q in -i pd0 -B 16384 --nano -U -w "$work/$name.tcpdump" 2>"$work/tcpdump.err" &
  dump=$!
  wait_for 60 grep -q 'listening on' "$work/tcpdump.err"
  capture "$@" --write "$work/$name.pcap"
  traffic
  end_capture
  # When tcpdump has written a later packet, it has written all earlier ones.
  ask echo "the end of $name" >/dev/null
  wait_for 60 grep -qa "the end of $name" "$work/$name.tcpdump"
  kill "$dump"
  wait "$dump" || true
}

# same_bytes NAME LONGEST: both captures are equal, complete, and have a packet of at least LONGEST bytes.
same_bytes() {
  python3 same_packets.py "$work/$1.tcpdump" "$work/$1.pcap" | tee "$work/same"
  [ "$(grep -oE '[0-9]+$' "$work/same")" -ge "$2" ]
  tail -n 1 "$work/$1.json"
  jq -se --argjson packets "$(sed 's/.*packet-dma \([0-9]*\).*/\1/' "$work/same")" \
    '.[-1] | .captured == $packets and .dropped == 0 and .cut == 0' "$work/$1.json"
  # The key is in two requests, set and strlen; TCP may have sent one of them again.
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

# While the reader is stopped, the ring fills up, and further packets are dropped from the capture but reach Redis.
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

# One connection gets all its answers through attach, detach, another attach and a killed reader.
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

# answered N: sends a request, and waits for the Nth answer.
answered() {
  echo "client id" >&9
  wait_for 60 answers "$1"
}
answers() { [ "$(wc -l <"$work/answers")" -eq "$1" ]; }

detached() { refuses bash -c 'ip -d link show pd0 | grep xdp'; }

second_instance() {
  capture first --mode generic
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

# The tags of VLAN 7 are missing, with a warning, if the card removes them; otherwise, they are in the capture.
vlan_tags() {
  peer ip link add link pd1 name pd1.7 type vlan id 7
  peer ip addr add 10.9.7.1/24 dev pd1.7
  peer ip link set pd1.7 up
  local stripped
  for stripped in on off; do
    ethtool -K pd0 rxvlan "$stripped" >/dev/null
    peer ethtool -K pd1 txvlan "$stripped" >/dev/null
    capture "vlan-$stripped" --write "$work/vlan-$stripped.pcap"
    # No machine answers, so there is an ARP request per second; the first can be lost after a change of the link.
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

# An interface with two receive queues: 40 flows of 50 packets are spread over both queues' rings, and each flow is captured in order.
queues() {
  ip link add pdq0 numrxqueues 2 numtxqueues 2 type veth peer name pdq1 numrxqueues 2 numtxqueues 2 netns pd-peer
  ip addr add 10.9.8.2/24 dev pdq0
  peer ip addr add 10.9.8.1/24 dev pdq1
  ip link set pdq0 up
  peer ip link set pdq1 up
  "$loader" --interface pdq0 --mode native --json --write "$work/queues.pcap" >"$work/queues.json" 2>/dev/null &
  loader_pid=$!
  running+=("$loader_pid")
  wait_for 60 bash -c 'ip -d link show pdq0 | grep -q xdp'
  peer python3 queues.py send 10.9.8.2
  sleep 1
  end_capture
  ip link del pdq0
  tail -n 1 "$work/queues.json"
  jq -se '.[-1] | (.queues | length) == 2 and .queues[0] > 0 and .queues[1] > 0 and
    (.queues | add) == .captured and .dropped == 0' "$work/queues.json"
  python3 queues.py check "$work/queues.pcap"
}

# The program that packet-dma replaces (refused.bpf.c).
write_user_is_refused() {
  refuses ./refused >"$work/refused" 2>&1
  cat "$work/refused"
  grep "refused: does not load: Invalid argument" "$work/refused"
  # The wording depends on the kernel, but it has the helper's name.
  grep "call bpf_probe_write_user" "$work/refused"
}

# A program for another kernel: libbpf names the missing member.
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

check "preflight reports support" preflight pd0
check "preflight accepts an interface's address in place of its name" preflight 10.9.0.2
check "preflight names a missing interface" no_such_interface
both native --mode native
check "native: the capture equals tcpdump's byte for byte, including jumbo frames" same_bytes native 9014
check "--mode native is used" mode_is native native
both generic --mode generic
check "generic: the capture equals tcpdump's byte for byte" same_bytes generic 9014
check "--mode generic is used" mode_is generic generic
offloads on
both fragments --mode generic
check "segments above the MTU, from offloads: the capture equals tcpdump's byte for byte" same_bytes fragments 9015
offloads off
check "a stopped reader loses copies, which are counted, but Redis gets all data" slow_reader
check "a connection survives attach, detach and a killed reader" connections_survive
check "a second instance is refused" second_instance
check "--snap-length truncates packets, which stay readable" snap_length
check "--limit bounds the file, which only root can read" limit
check "VLAN tags are captured; if the card removes them, there is a warning" vlan_tags
check "each receive queue has its own ring, and no packet is lost or reordered within a flow" queues
check "a program with bpf_probe_write_user is refused, and the verifier's log is shown" write_user_is_refused
check "a program for another kernel is refused, and the log names the missing member" other_kernel
check "nothing is left of refused programs" nothing_left ./refused
check "killed at every step: nothing is left" killed
check "nothing is left" nothing_left "$loader"
check "nothing is attached" detached
done_testing
