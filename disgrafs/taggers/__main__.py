"""Tags files until it is stopped: `python -m disgrafs.taggers`. Settings are in the environment (see service.py).

DISGRAFS_GRAPH=falkordb://HOST:PORT and DISGRAFS_GRAPH_PASSWORD_FILE; DISGRAFS_MOUNT=/mnt/jfs; DISGRAFS_RAY=HOST:PORT;
DISGRAFS_TAGGERS: number on each node; DISGRAFS_SLOWNESS: factor for time limits; DISGRAFS_MODELS: folder of models;
DISGRAFS_METRICS=HOST:PORT
"""

import logging
import os

import ray

from disgrafs.graph import GraphAddress, open_graph
from disgrafs.service import notify, start
from disgrafs.taggers.dispatch import Dispatcher
from disgrafs.taggers.ray_pool import RayPool


def main() -> None:
    """Starts the dispatcher. Any error of Ray ends this process, and systemd restarts it."""
    log = start("disgrafs.taggers")
    ray.init(
        address=os.environ["DISGRAFS_RAY"],
        namespace="disgrafs",
        logging_level=logging.WARNING,
        log_to_driver=False,
    )
    graph = open_graph(GraphAddress.from_environment())
    pool = RayPool(os.environ["DISGRAFS_MOUNT"], int(os.environ.get("DISGRAFS_TAGGERS", "1")))
    dispatcher = Dispatcher(graph, pool, lambda: notify("WATCHDOG=1"))
    notify("READY=1")
    log.info("tagging with Ray at %s", os.environ["DISGRAFS_RAY"])
    while True:
        dispatcher.step()


if __name__ == "__main__":
    main()
