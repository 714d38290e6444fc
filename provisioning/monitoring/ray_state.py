#!/usr/bin/env python3
"""Exports the Ray head's view of the cluster to Prometheus: nodes, resources in use, actors and drivers.

Usage: ray_state.py GCS-ADDRESS LISTEN-ADDRESS PORT

Ray's own metrics come from an agent on every node, which needs ray[default] and always uses some CPU time on machines that
are being measured. The same state is in the global control store, which this program queries only at each scrape.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator

from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from ray._private.state import GlobalState
from ray._raylet import GcsClientOptions

# Ray's own resources, the same on every node. The others only pin tasks to nodes.
RESOURCES = ("CPU", "memory", "object_store_memory")


class State(Collector):
    """Queries the global control store at each scrape. If that fails, the scrape fails: Prometheus stores `up 0`."""

    def __init__(self, address: str) -> None:
        self.state = GlobalState()
        self.state._initialize_global_state(
            GcsClientOptions.create(address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False)
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the metrics of nodes and resources, actors and drivers."""
        yield from self.nodes()
        actors = GaugeMetricFamily("disgrafs_ray_actors", "Actors by class and state.", labels=("class", "state"))
        table = self.state.actor_table(None).values()
        for (name, state), count in Counter((actor["ActorClassName"], actor["State"]) for actor in table).items():
            actors.add_metric((name, state), count)
        yield actors
        jobs = GaugeMetricFamily("disgrafs_ray_jobs", "Drivers by state.", labels=("state",))
        running = Counter("ended" if job["IsDead"] else "running" for job in self.state.job_table())
        for state in ("running", "ended"):
            jobs.add_metric((state,), running[state])
        yield jobs

    def nodes(self) -> Iterator[GaugeMetricFamily]:
        """Yields the nodes by state, and the resources of living nodes: total and in use."""
        table = self.state.node_table()
        nodes = GaugeMetricFamily("disgrafs_ray_nodes", "Nodes by state.", labels=("state",))
        alive = [node for node in table if node["Alive"]]
        nodes.add_metric(("alive",), len(alive))
        nodes.add_metric(("dead",), len(table) - len(alive))
        yield nodes
        labels = ("member", "resource")
        total = GaugeMetricFamily("disgrafs_ray_resource", "Resources of a node for tasks and actors.", labels=labels)
        used = GaugeMetricFamily("disgrafs_ray_resource_used", "Resources that tasks and actors hold.", labels=labels)
        free = self.state.available_resources_per_node()
        for node in alive:
            for resource in RESOURCES:
                if resource not in node["Resources"]:
                    continue
                member, has = (node["NodeManagerHostname"], resource), node["Resources"][resource]
                total.add_metric(member, has)
                # A resource that is entirely in use is not in the table of free resources.
                used.add_metric(member, has - free.get(node["NodeID"], {}).get(resource, 0))
        yield total
        yield used


def main() -> None:
    """Serves until a signal ends it."""
    address, listen, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    registry = CollectorRegistry()
    # Registering does not query Ray, which may start later than this.
    registry.register(State(address))
    start_http_server(port, listen, registry)
    threading.Event().wait()


main()
