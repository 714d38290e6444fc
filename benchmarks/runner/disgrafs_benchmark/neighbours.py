"""Nodes that are not clients but serve them: those of Redis and the object store.

They write back, drop their caches and report their load on request. Each has disgrafs-node.socket
(benchmarks/nodes/answer.sh). One connection is used for the whole run.
"""

import socket
import time
from typing import Any

from .mount import ResetError
from .system import cpu_time

PORT = 9436


class Neighbour:
    """The connection to one node, opened when it is needed, and again after an error."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connection: socket.socket | None = None

    def ask(self, question: str, timeout: float = 60) -> dict[str, str]:
        """Send one word; returns the lines of the answer by their first word. ResetError if there is no answer."""
        try:
            if self.connection is None:
                self.connection = socket.create_connection((self.address, PORT), timeout)
            self.connection.settimeout(timeout)
            self.connection.sendall(f"{question}\n".encode())
            text = self._until_empty_line(self.connection)
        except OSError as error:
            self.close()
            raise ResetError(f"{self.address} does not answer: {error}") from error
        lines = (line.partition(" ") for line in text.splitlines())
        return {name: rest.strip() for name, _, rest in lines if name}

    def _until_empty_line(self, connection: socket.socket) -> str:
        text = b""
        while text != b"\n" and not text.endswith(b"\n\n"):
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the connection was closed")
            text += data
        return text.decode(errors="replace")

    def close(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def facts(self) -> dict[str, Any]:
        """Facts of the node that do not change until it is rebooted."""
        said = self.ask("facts")
        cpus = said.get("cpus", "")
        return {
            "bootId": said.get("boot", "unknown"),
            "kernel": said.get("kernel"),
            "cpu": said.get("cpu") or None,
            "cpus": int(cpus) if cpus.isdigit() else None,
            "virtualization": said.get("virtualization") or None,
        }

    def counters(self) -> dict[str, Any]:
        """Boot, total and stolen CPU ticks, and the load, for comparison before and after a window."""
        said = self.ask("look")
        ticks = [int(field) for field in said.get("cpu", "").split()[:8]]
        return {
            "bootId": said.get("boot"),
            **cpu_time(ticks, int(said.get("cpus", "1"))),
            "load": float(said["load"].split()[0]) if "load" in said else None,
        }

    def sync(self) -> None:
        """Make the node write what earlier points left in its memory. ResetError if it does not answer."""
        self.ask("sync")

    def drop(self) -> dict[str, Any]:
        """Make the node drop its caches; its kernel's counters must confirm it."""
        begin = time.monotonic()
        said = self.ask("drop")
        pairs = {name: said.get(name, "").split() for name in ("drop_pagecache", "drop_slab")}
        if any(len(pair) != 2 or int(pair[1]) <= int(pair[0]) for pair in pairs.values()):
            raise ResetError(f"{self.address} did not confirm that it dropped its caches: {said}")
        return {"step": f"drop caches of {self.address}", "seconds": round(time.monotonic() - begin, 3)}
