"""Opens the graph store at an address."""

import os
from dataclasses import dataclass
from pathlib import Path

from disgrafs.graph.interface import Graph


@dataclass(frozen=True, slots=True)
class GraphAddress:
    """Where a store listens. The password comes from a file, never from an argument."""

    product: str
    host: str
    port: int
    password: str | None = None

    @staticmethod
    def from_environment() -> "GraphAddress":
        """From DISGRAFS_GRAPH=PRODUCT://HOST:PORT and DISGRAFS_GRAPH_PASSWORD_FILE, as units on nodes set them."""
        text = os.environ["DISGRAFS_GRAPH"]
        product, _, where = text.partition("://")
        host, _, port = where.rpartition(":")
        file = os.environ.get("DISGRAFS_GRAPH_PASSWORD_FILE")
        password = Path(file).read_text(encoding="utf-8").strip() if file else None
        return GraphAddress(product, host, int(port), password)


def open_graph(address: GraphAddress) -> Graph:
    """Returns a graph in that store. It connects at the first query, not now."""
    if address.product == "falkordb":
        from disgrafs.graph.falkor import FalkorGraph  # noqa: PLC0415 - only the store that is used is imported

        return FalkorGraph(address.host, address.port, address.password)
    if address.product == "neo4j":
        from disgrafs.graph.neo4j import Neo4jGraph  # noqa: PLC0415

        return Neo4jGraph(address.host, address.port, address.password)
    raise ValueError(f"there is no graph store {address.product!r}; use falkordb or neo4j")
