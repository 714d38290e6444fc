"""Checks that one capture's packets are a contiguous part of another capture, which began earlier and ended later.

Usage: same_packets.py TCPDUMP OURS
Both are pcap files with nanoseconds. Compares bytes and lengths, and prints a summary. Fails with the first packet that
differs, or if timestamps differ by ten seconds or more; a busy machine may pause between the two captures of a packet.
"""

import struct
import sys
from pathlib import Path
from typing import NamedTuple


class Packet(NamedTuple):
    """A captured packet: the captured bytes, and the length on the wire."""

    data: bytes
    length: int


def read(path: str) -> tuple[list[Packet], list[float]]:
    """The packets of a file, and the time of each in seconds since 1970."""
    with Path(path).open("rb") as file:
        content = file.read()
    magic, link = struct.unpack_from("<I", content)[0], struct.unpack_from("<I", content, 20)[0]
    if magic != 0xA1B23C4D or link != 1:
        raise SystemExit(f"{path}: not Ethernet pcap with nanoseconds")
    at, packets, times = 24, [], []
    while at < len(content):
        seconds, ns, captured, length = struct.unpack_from("<IIII", content, at)
        packets.append(Packet(content[at + 16 : at + 16 + captured], length))
        times.append(seconds + ns / 1e9)
        at += 16 + captured
    return packets, times


def same(truth: list[Packet], ours: list[Packet], start: int) -> int:
    """Number of our packets that equal tcpdump's from `start` on, up to the first difference."""
    return next((i for i, pair in enumerate(zip(truth[start:], ours, strict=False)) if pair[0] != pair[1]), len(ours))


def main() -> None:
    """Compare the files and print the result."""
    (truth, truth_times), (ours, times) = read(sys.argv[1]), read(sys.argv[2])
    longest = max((packet.length for packet in ours), default=0)
    total = sum(packet.length for packet in ours)
    print(f"tcpdump {len(truth)} packets, packet-dma {len(ours)}, {total} bytes, the longest {longest}")
    if not ours or len(ours) > len(truth):
        raise SystemExit("packet-dma has no packets, or more than tcpdump")
    # Some IPv6 packets are repeated unchanged, so the first match may be too early; use the longest match.
    starts = range(len(truth) - len(ours) + 1)
    start = max(starts, key=lambda first: same(truth, ours, first))
    equal = same(truth, ours, start)
    if equal < len(ours):
        mine, theirs = ours[equal], truth[start + equal]
        raise SystemExit(
            f"packet {equal} of ours ({mine.length} bytes) is not packet {start + equal} of tcpdump's "
            f"({theirs.length} bytes):\n{mine.data[:80].hex()}\n{theirs.data[:80].hex()}"
        )
    apart = max(abs(a - b) for a, b in zip(truth_times[start:], times, strict=False))
    if apart >= 10:
        raise SystemExit(f"the clocks are up to {apart:.3f} s apart")


main()
