"""Writes an image of the graph: `python -m disgrafs.imageindex`, on a node that reaches the graph.

The image is written to the device of the extension storage-chain, or to --image. An older image is replaced when the
new one is complete. With --list, prints the list instead, for another node's `schain build --list -`.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from typing import IO

from disgrafs.graph import GraphAddress, GraphUnavailableError, Reader, open_graph
from disgrafs.imageindex.listing import records

SCHAIN = "/opt/disgrafs/extensions/storage-chain/bin/schain"
DEVICE = "/run/disgrafs/storage-chain/device"


def write(graph: Reader, out: IO[bytes]) -> None:
    """Writes the whole list and its end mark: without the mark, schain creates no image."""
    for one in records(graph.placed()):
        out.write(one)
    out.write(b"\0")


def build(graph: Reader, schain: str, image: str, source: str) -> int:
    """Runs `schain` to write the image, with this program's output; returns its exit status."""
    command = [schain, "build", "--list", "-", "--source", source, image]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - for mypy
        # schain stops reading when it rejects the list, and prints why.
        with contextlib.suppress(BrokenPipeError):
            write(graph, process.stdin)
            process.stdin.close()
        return process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 if the image is in place."""
    parser = argparse.ArgumentParser(prog="python -m disgrafs.imageindex", description=__doc__)
    parser.add_argument("--image", default=DEVICE, help=f"device or file (default {DEVICE})")
    parser.add_argument("--schain", default=SCHAIN, help=f"the program schain (default {SCHAIN})")
    parser.add_argument("--list", action="store_true", help="write the list to standard output, and no image")
    options = parser.parse_args(arguments)
    graph = open_graph(GraphAddress.from_environment())
    try:
        if options.list:
            write(graph, sys.stdout.buffer)
            return 0
        return 1 if build(graph, options.schain, options.image, os.environ.get("DISGRAFS_MOUNT", "/")) else 0
    except GraphUnavailableError as error:
        unit = "systemctl status disgrafs-graph.service on the meta node"
        sys.stderr.write(f"disgrafs: the graph does not answer ({error}); see {unit}\n")
    except FileNotFoundError:
        sys.stderr.write(f"disgrafs: {options.schain} is not here: load the extension storage-chain on this machine\n")
    finally:
        graph.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
