"""Shared fixtures: a real graph store for the session, emptied before each test.

The store is FalkorDB, or that of --graph: every store must pass the same tests.
"""

from collections.abc import Iterator

import pytest

from disgrafs.graph import Graph, open_graph
from disgrafs.graph.server import LocalFalkor, LocalNeo4j, LocalServer

STORES = {store.product: store for store in (LocalFalkor, LocalNeo4j)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--graph", choices=sorted(STORES), default=LocalFalkor.product, help="store of the graph")


@pytest.fixture(scope="session")
def store(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    with STORES[request.config.getoption("--graph")]() as server:
        yield server


@pytest.fixture
def graph(store: LocalServer) -> Iterator[Graph]:
    store.clear()
    graph = open_graph(store.address)
    graph.prepare()
    yield graph
    graph.close()
