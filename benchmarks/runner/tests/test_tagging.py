"""The tagging workload on a real graph."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from disgrafs_benchmark import tagging

CHECKOUT = str(Path(__file__).parents[3])


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A graph server, with its address in a settings file as in a lab."""
    monkeypatch.setattr(tagging, "APP", CHECKOUT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with tagging.of_disgrafs("graph.server").LocalFalkor() as server:
        password, settings = tmp_path / "password", tmp_path / "disgrafs.env"
        password.write_text(server.address.password)
        settings.write_text(
            f"DISGRAFS_GRAPH=falkordb://127.0.0.1:{server.address.port}\n"
            f"DISGRAFS_GRAPH_PASSWORD_FILE={password}\nDISGRAFS_TAGGERS=1\n"
        )
        monkeypatch.setattr(tagging, "SETTINGS", settings)
        for name in ("DISGRAFS_GRAPH", "DISGRAFS_GRAPH_PASSWORD_FILE"):
            monkeypatch.setenv(name, "")
        opened = tagging.open_graph()
        opened.prepare()
        yield opened
        opened.close()


def put(graph: Any, closed: list[tuple[int, float]], *, tag: bool = True) -> None:  # noqa: ANN401
    model = tagging.of_disgrafs("graph.model")
    changes = model.Changes()
    for inode, _ in closed:
        changes.entries[1, f"file {inode}"] = model.Entry(inode, directory=False)
        changes.written[inode] = model.Written(1, time.time())
    graph.apply(changes, 1, time.time())
    tags = (model.Tag("x", 1.0, "text"),)
    if tag:
        graph.commit([model.Tagged(inode, 1, "text", 1, "text/plain", 1, 1, tags) for inode, _ in closed], time.time())


def test_a_window_lasts_until_the_last_files_tags(graph: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (tmp_path / "work").mkdir()
    pieces = tagging.corpus(seed=1, first=10, files=20)
    assert pieces == tagging.corpus(seed=1, first=10, files=20)
    with tagging.Watch(tagging.words()) as watch:
        start = time.time()
        closed = tagging.write(tmp_path / "work", pieces)
        assert len(closed) == len(set(closed)) == len(list((tmp_path / "work").iterdir())) == 20
        time.sleep(0.3)
        put(graph, closed)
        watch.wait({inode for inode, _ in closed}, 60)
    result = tagging.record(watch, [("node1", inode, moment) for inode, moment in closed], start)
    assert len(result["files"]) == 20
    assert all(0.3 <= file["seconds"] <= result["seconds"] < 60 for file in result["files"])
    assert result["searches"]


def test_a_file_without_tags_has_no_time(graph: Any) -> None:  # noqa: ANN401
    with tagging.Watch(["x"]) as watch:
        put(graph, [(5, 0.0)], tag=False)
        watch.wait({5}, 0.5)
    assert tagging.record(watch, [("node1", 5, 0.0)], 0.0)["files"] == [{"client": "node1", "seconds": None}]


def test_a_graph_that_does_not_answer_is_an_error_of_the_window(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    assert graph
    watch = tagging.Watch(["x"])

    def fail(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(watch.graph, "events", fail)
    with watch:
        watch.wait({5}, 60)
    with pytest.raises(RuntimeError, match="the graph did not answer: gone"):
        tagging.record(watch, [], 0.0)


@pytest.mark.parametrize(("ready", "reason"), [(2, None), (1, "1 of 2 taggers ready")])
def test_a_window_requires_a_ready_tagger_on_each_client(
    graph: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    ready: int,
    reason: str | None,
) -> None:
    assert graph
    monkeypatch.setattr(tagging, "taggers", lambda: ready)
    if reason is None:
        tagging.wait_until_calm(clients=2, seconds=60)
    else:
        with pytest.raises(RuntimeError, match=reason):
            tagging.wait_until_calm(clients=2, seconds=0.3)
