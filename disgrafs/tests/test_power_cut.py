"""A power cut of the graph's machine takes the newest changes from its file, and may leave zeros at its end.

A real FalkorDB, and the function that its unit runs before each start (provisioning/prelude.sh).
"""

import subprocess
import time
from pathlib import Path

import pytest

from disgrafs.events.log import VolumeLog
from disgrafs.graph import open_graph
from disgrafs.graph.server import LocalFalkor
from disgrafs.index.follow import Follower
from disgrafs.tests.juicefs import JuiceFS

PRELUDE = Path(__file__).parents[2] / "provisioning" / "prelude.sh"
ZEROS = 4096


def cut_zeros(folder: Path) -> str:
    """What the unit does, and says, before it starts Redis."""
    script = f"source {PRELUDE}; set -euo pipefail; cut_zeros {folder}"
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True, timeout=60).stdout


def follow(server: LocalFalkor, volume: VolumeLog) -> set[str]:
    """Starts an index, as after a reset; returns the paths in the graph when it has read the whole log."""
    graph = open_graph(server.address)
    graph.prepare()
    if graph.cursor() is None:
        graph.set_excluded("")
        graph.set_cursor(0)
    follower = Follower(graph, volume, "/no mount: nothing may be walked", lambda: None)
    while graph.cursor() != volume.last():
        follower.step()
    found = {work.path for work in graph.due(time.time() + 10, 100)}
    graph.close()
    return found


@pytest.mark.parametrize("left", [0.0, 0.4, 0.99], ids=["nothing", "a part", "nearly all"])
def test_a_graph_that_lost_its_last_second_is_made_good_from_the_log(tmp_path: Path, left: float) -> None:
    folder = tmp_path / "graph"
    folder.mkdir()
    server = LocalFalkor(folder)
    with JuiceFS(tmp_path) as juicefs:
        volume = VolumeLog("127.0.0.1", juicefs.port)
        dav = juicefs.serve_webdav()
        try:
            server.start()
            dav("PUT", "/kept", content=b"one")
            assert follow(server, volume) == {"kept"}
            assert cut_zeros(folder) == ""
            [file] = (folder / "appendonlydir").glob("*.incr.aof")
            written = file.stat().st_size
            dav("PUT", "/lost", content=b"two")
            dav("MOVE", "/kept", to="/moved")
            assert follow(server, volume) == {"moved", "lost"}
            server.kill()
            content = file.read_bytes()
            cut = content[: written + int(left * (len(content) - written))]
            file.write_bytes(cut + bytes(ZEROS))
            with pytest.raises(RuntimeError, match="Bad file format"):
                server.start()
            assert f"{file.name} ended with {ZEROS} zeros" in cut_zeros(folder)
            assert file.read_bytes() == cut
            server.start()
            graph = open_graph(server.address)
            assert (graph.cursor() or 0) < volume.last()
            graph.close()
            assert follow(server, volume) == {"moved", "lost"}
        finally:
            server.kill()
            volume.close()
