"""Follows the volume until it is stopped: `python -m disgrafs.index`. Settings are in the environment (see service.py).

DISGRAFS_META=redis://HOST:PORT/0 and META_PASSWORD_FILE; DISGRAFS_GRAPH=falkordb://HOST:PORT and
DISGRAFS_GRAPH_PASSWORD_FILE; DISGRAFS_MOUNT=/mnt/jfs; DISGRAFS_METRICS=HOST:PORT; DISGRAFS_EXCLUDE=NAME/NAME, names of
directories to leave out, percent-encoded
"""

import os
import urllib.parse

from disgrafs.events.log import VolumeLog
from disgrafs.graph import GraphAddress, open_graph
from disgrafs.index.follow import Follower
from disgrafs.service import metadata_address, notify, start


def main() -> None:
    """Starts the follower."""
    log = start("disgrafs.index")
    graph = open_graph(GraphAddress.from_environment())
    excluded = [
        urllib.parse.unquote_to_bytes(name) for name in os.environ.get("DISGRAFS_EXCLUDE", "").split("/") if name
    ]
    volume = VolumeLog(*metadata_address())
    follower = Follower(graph, volume, os.environ["DISGRAFS_MOUNT"], lambda: notify("WATCHDOG=1"), excluded)
    notify("READY=1")
    log.info("following the volume at %s", os.environ["DISGRAFS_MOUNT"])
    while True:
        follower.step()


if __name__ == "__main__":
    main()
