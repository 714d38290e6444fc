#!/usr/bin/env python3
"""What Ray's head knows of the cluster, for Prometheus: nodes, resources in use, actors and drivers.

Usage: ray_state.py GCS-ADDRESS LISTEN-ADDRESS PORT

Ray's own metrics come from an agent on every node that needs ray[default] and works all the time, on machines that are
measured. The same state is in the global control store, which is asked here when Prometheus asks, and not between.
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

# Named ones are Ray's and the same everywhere; the rest pins tasks to nodes and says nothing.
RESOURCES = ("CPU", "memory", "object_store_memory")


class State(Collector):
    """Asks the global control store at each scrape. An error of it is an error of the scrape: Prometheus says `up 0`."""

    def __init__(self, address: str) -> None:
        self.state = GlobalState()
        self.state._initialize_global_state(
            GcsClientOptions.create(address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False)
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nodes and resources, actors, drivers."""
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
        """Nodes by state; and of those that live, what they have and what is in use of it."""
        table = self.state.node_table()
        nodes = GaugeMetricFamily("disgrafs_ray_nodes", "Nodes by state.", labels=("state",))
        alive = [node for node in table if node["Alive"]]
        nodes.add_metric(("alive",), len(alive))
        nodes.add_metric(("dead",), len(table) - len(alive))
        yield nodes
        labels = ("member", "resource")
        total = GaugeMetricFamily("disgrafs_ray_resource", "What a node has for tasks and actors.", labels=labels)
        used = GaugeMetricFamily("disgrafs_ray_resource_used", "What tasks and actors hold of it.", labels=labels)
        free = self.state.available_resources_per_node()
        for node in alive:
            for resource in RESOURCES:
                if resource not in node["Resources"]:
                    continue
                member, has = (node["NodeManagerHostname"], resource), node["Resources"][resource]
                total.add_metric(member, has)
                # A resource that is all in use is not in the table of what is free.
                used.add_metric(member, has - free.get(node["NodeID"], {}).get(resource, 0))
        yield total
        yield used


def main() -> None:
    """Serves until it is told to end."""
    address, listen, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    registry = CollectorRegistry()
    # Not asked when it is registered: Ray may start later than this.
    registry.register(State(address))
    start_http_server(port, listen, registry)
    threading.Event().wait()


main()
