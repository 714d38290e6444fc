#!/usr/bin/env bash
# Makes packet-dma's interface receive a packet by pinging the other machines on its network.
set -euo pipefail
where=$(sed -n 's/.*--interface \([^ ]*\).*/\1/p' /etc/disgrafs/extensions/packet-dma | tr -d "'")
interface=$(ip -4 -o address show | awk -v where="$where" '$2 == where || index($4, where "/") == 1 { print $2; exit }')
received() { cat "/sys/class/net/$interface/statistics/rx_packets"; }
before=$(received)
# Machines may answer a ping to the broadcast address; any answer is a received packet.
ping -q -c 3 -W 5 -b -I "$interface" "$(ip -4 -o address show dev "$interface" | awk '{ print $6; exit }')" >/dev/null 2>&1 || true
for neighbour in $(ip -4 neighbour show dev "$interface" | awk '{ print $1 }') \
  $(getent ahostsv4 meta objects 2>/dev/null | awk '{ print $1 }' | sort -u); do
  ping -q -c 1 -W 5 -I "$interface" "$neighbour" >/dev/null 2>&1 || true
done
# In a lab of one machine, there is no other to answer.
if [ "$(received)" = "$before" ]; then
  echo "$interface received nothing: no other machine on its network answers" >&2
  exit 1
fi
