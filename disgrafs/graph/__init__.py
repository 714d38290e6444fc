"""The store of DisGraFS: its interface, its values, and how to open it."""

from disgrafs.graph.interface import Graph, GraphUnavailableError, Index, Queue, Reader
from disgrafs.graph.open import GraphAddress, open_graph

__all__ = ["Graph", "GraphAddress", "GraphUnavailableError", "Index", "Queue", "Reader", "open_graph"]
