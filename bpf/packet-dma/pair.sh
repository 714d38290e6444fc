#!/usr/bin/env bash
# To be sourced. Simulates two nodes with two network namespaces and a veth, so that both ends can be observed.

# make_pair MTU: creates pd0 (10.9.0.2) in this namespace, and pd1 (10.9.0.1) in the namespace pd-peer.
make_pair() {
  local mtu=$1
  ip netns add pd-peer
  ip link add pd0 mtu "$mtu" type veth peer name pd1 mtu "$mtu" netns pd-peer
  ip addr add 10.9.0.2/24 dev pd0
  peer ip addr add 10.9.0.1/24 dev pd1
  ip link set pd0 up
  peer ip link set pd1 up
}
peer() { ip netns exec pd-peer "$@"; }
