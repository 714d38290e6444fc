"""Waits until the cluster has all its nodes, runs one task pinned to each, and prints what they answered.

Usage: check.py GCS-ADDRESS NODE-COUNT
"""

import json
import socket
import sys
import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

# In total: check.sh kills this program after 800 s, and then there would be no error message.
DEADLINE_SECONDS = 600


def alive_nodes(count: int, deadline: float) -> list[dict[str, Any]]:
    """The nodes that Ray calls alive, once there are ``count``; fails with their states when there are not in time."""
    while True:
        nodes = ray.nodes()
        alive = [node for node in nodes if node["Alive"]]
        if len(alive) == count:
            return alive
        if time.monotonic() > deadline:
            states = {node["NodeManagerAddress"]: node["Alive"] for node in nodes}
            raise SystemExit(f"{len(alive)} of {count} Ray nodes are alive: {states}")
        time.sleep(1)


@ray.remote(num_cpus=0)
def host_name() -> str:
    return socket.gethostname()


def check(address: str, count: int) -> dict[str, Any]:
    """The names of the nodes that ran a task, and how long that took in seconds."""
    ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    deadline = time.monotonic() + DEADLINE_SECONDS
    nodes = alive_nodes(count, deadline)
    start = time.monotonic()
    names = ray.get(
        [
            host_name.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote()
            for node in nodes
        ],
        timeout=max(60.0, deadline - time.monotonic()),
    )
    return {"nodes": sorted(names), "seconds": round(time.monotonic() - start, 1)}


def main() -> None:
    # Ray prints the cluster's errors to standard output, whatever log_to_driver says: that a killed machine's node is dead, for
    # example. Some come from a thread of its own, so standard output stays closed to it until the end.
    answer, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(check(sys.argv[1], int(sys.argv[2]))), file=answer)


main()
