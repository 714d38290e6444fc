"""Sends numbered UDP packets of many flows, and checks that a capture has each flow completely and in order.

Usage: queues.py send ADDRESS
       queues.py check PCAP
"""

import re
import socket
import struct
import sys
from pathlib import Path

FLOWS, PACKETS = 40, 50


def send(address: str) -> None:
    """Send the packets of each flow from its own port, so that the flows are spread over the queues."""
    for flow in range(FLOWS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("", 20000 + flow))
            for number in range(PACKETS):
                s.sendto(b"flow %d packet %d." % (flow, number), (address, 9999))


def captured(path: str) -> dict[int, list[int]]:
    """The numbers of the captured packets, by flow."""
    content = Path(path).read_bytes()
    flows: dict[int, list[int]] = {}
    at = 24
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at + 8)
        packet = content[at + 16 : at + 16 + length]
        found = re.search(rb"flow (\d+) packet (\d+)\.", packet)
        if found:
            flows.setdefault(int(found[1]), []).append(int(found[2]))
        at += 16 + length
    return flows


def main() -> None:
    """Run the command."""
    if sys.argv[1] == "send":
        send(sys.argv[2])
        return
    flows = captured(sys.argv[2])
    whole = sum(numbers == list(range(PACKETS)) for numbers in flows.values())
    print(f"{whole} of {FLOWS} flows are complete and in order")
    if whole != FLOWS:
        raise SystemExit(f"{ {flow: numbers for flow, numbers in flows.items() if numbers != list(range(PACKETS))} }")


main()
