"""The API from a client's point of view: a real uvicorn with a real FalkorDB and a folder of files from the corpus."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from disgrafs.tests.stand import Stand

MOVED_IN_TIME = 20


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    vendor = tmp_path_factory.mktemp("vendor")
    (vendor / "cytoscape.esm.min.mjs").write_text("export default undefined;")
    with Stand(tmp_path_factory.mktemp("volume"), vendor) as stand:
        stand.write_corpus(seed=5, files=80)
        yield stand


@pytest.fixture
def client(stand: Stand) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stand.token}"}
    with httpx.Client(base_url=stand.address, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def write(stand: Stand, name: str, content: bytes) -> int:
    """Puts a file into the volume; gives its inode once it is in the graph."""
    path = stand.mount / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    stand.walker.step()
    return path.stat().st_ino


def found(client: httpx.Client, typed: str) -> list[str]:
    answer = client.get("/api/search", params={"q": typed, "limit": 200})
    assert answer.status_code == 200, answer.text
    return [file["path"] for file in answer.json()["files"]]


class TestSearch:
    def test_each_file_of_the_corpus_is_found_by_each_of_its_words(self, stand: Stand, client: httpx.Client) -> None:
        answers: dict[str, list[str]] = {}
        for piece in stand.pieces:
            for word in piece.words:
                answers.setdefault(word, found(client, word))
                assert f"{stand.mount}/{piece.path}" in answers[word], word

    def test_a_search_combines_words_tags_and_a_folder(self, stand: Stand, client: httpx.Client) -> None:
        topic, kind = stand.pieces[0].topic, stand.pieces[0].kind
        expected = {f"{stand.mount}/{p.path}" for p in stand.pieces if p.topic == topic and p.kind == kind}
        assert set(found(client, f"tag:{topic} tag:{kind}")) == expected
        inside = set(found(client, f"tag:{kind} in:{stand.mount}/{topic}"))
        assert inside == {f"{stand.mount}/{p.path}" for p in stand.pieces if p.topic == topic and p.kind == kind}
        assert set(found(client, f"tag:{kind} in:{topic}/")) == inside

    def test_an_empty_search_returns_all_files_in_pages(self, stand: Stand, client: httpx.Client) -> None:
        first = client.get("/api/search", params={"limit": 50}).json()
        second = client.get("/api/search", params={"limit": 50, "offset": 50}).json()
        assert first["more"]
        assert not second["more"]
        paths = {file["path"] for file in first["files"] + second["files"]}
        assert len(paths) == first["total"] == len(first["files"]) + len(second["files"])

    def test_a_search_without_a_letter_finds_nothing(self, client: httpx.Client) -> None:
        assert found(client, "!!!") == []

    def test_a_missing_folder_is_an_error_that_names_it(self, client: httpx.Client) -> None:
        answer = client.get("/api/search", params={"q": "in:/nowhere"})
        assert answer.status_code == 422
        assert "there is no folder /nowhere" in answer.json()["error"]

    def test_suggestions_are_tags_by_use_and_file_names(self, client: httpx.Client) -> None:
        suggestions = client.get("/api/suggest", params={"q": "cof"}).json()["suggestions"]
        assert suggestions[0]["text"] == "coffee"
        assert {each["kind"] for each in suggestions} == {"tag", "file"}

    def test_a_name_that_is_not_utf8_is_found_and_shown(self, stand: Stand, client: httpx.Client) -> None:
        name = os.fsdecode(b"odd\xff walnut.txt")
        inode = write(stand, name, b"text")
        assert found(client, "walnut") == [f"{stand.mount}/odd\ufffd walnut.txt"]
        assert client.get(f"/api/files/{inode}/content").content == b"text"
        assert client.delete(f"/api/files/{inode}").status_code == 200
        assert not (stand.mount / name).exists()
        stand.walker.step()


class TestGraph:
    def test_the_graph_of_a_file_has_its_folder_its_tags_and_near_files(
        self, stand: Stand, client: httpx.Client
    ) -> None:
        piece = stand.pieces[0]
        inode = (stand.mount / piece.path).stat().st_ino
        answer = client.get("/api/neighbours", params={"kind": "file", "key": inode}).json()
        assert answer["centre"]["label"] == piece.path.rpartition("/")[2]
        kinds = {node["kind"] for node in answer["nodes"]}
        assert kinds == {"file", "folder", "tag"}
        ids = {answer["centre"]["id"], *(node["id"] for node in answer["nodes"])}
        assert all(edge["source"] in ids and edge["target"] in ids for edge in answer["edges"])
        assert len({edge["id"] for edge in answer["edges"]}) == len(answer["edges"])

    def test_the_neighbours_of_every_neighbour_can_be_requested(self, stand: Stand, client: httpx.Client) -> None:
        inode = (stand.mount / stand.pieces[1].path).stat().st_ino
        answer = client.get("/api/neighbours", params={"kind": "file", "key": inode}).json()
        for node in answer["nodes"]:
            further = client.get("/api/neighbours", params={"kind": node["kind"], "key": node["key"]})
            assert further.status_code == 200, node
            assert further.json()["centre"]["id"] == node["id"]

    def test_counts_match_the_volume(self, stand: Stand, client: httpx.Client) -> None:
        counts = client.get("/api/counts").json()
        files = sum(path.is_file() for path in stand.mount.rglob("*"))
        assert counts["files"] == sum(counts["states"].values()) == files

    def test_a_file_that_cannot_be_tagged_is_shown_with_its_reason(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "broken.jpg", b"\xff\xd8\xffbroken")
        facts = client.get(f"/api/files/{inode}").json()
        assert (facts["state"], facts["reason"]) == ("failed", "the picture has no end")
        assert found(client, "is:failed") == [f"{stand.mount}/broken.jpg"]
        (stand.mount / "broken.jpg").unlink()
        stand.walker.step()


class TestContent:
    def test_complete_files_and_ranges_have_the_right_bytes(self, stand: Stand, client: httpx.Client) -> None:
        content = os.urandom(300_000)
        inode = write(stand, "random.bin", content)
        address = f"/api/files/{inode}/content"
        whole = client.get(address)
        assert whole.content == content
        assert whole.headers["content-disposition"].startswith("attachment")
        part = client.get(address, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, content[1000:2000])
        assert client.get(address, headers={"Range": "bytes=-10"}).content == content[-10:]
        assert client.get(address, headers={"Range": "bytes=400000-"}).status_code == 416
        head = client.head(address)
        assert (head.headers["content-length"], head.content) == ("300000", b"")

    def test_a_moved_file_is_opened_at_its_new_path(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "before/moved.txt", b"the same")
        (stand.mount / "after").mkdir()
        (stand.mount / "before" / "moved.txt").rename(stand.mount / "after" / "other.txt")
        stand.walker.step()
        assert client.get(f"/api/files/{inode}/content").content == b"the same"
        assert client.get(f"/api/files/{inode}").json()["path"] == f"{stand.mount}/after/other.txt"

    def test_a_page_in_the_volume_is_shown_as_text_in_a_sandbox(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "page.html", b"<script>fetch('/api/files/1', {method: 'DELETE'})</script>")
        answer = client.get(f"/api/files/{inode}/content", params={"inline": 1})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_no_descriptor_is_left_open(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "open.bin", bytes(5_000_000))
        for range_ in ("bytes=0-9", "bytes=9-", "bytes=x", "bytes=9999999-", "bytes=0-1,4-5"):
            client.get(f"/api/files/{inode}/content", headers={"Range": range_})
        # And one that goes away in the middle of a file that takes an hour to read.
        os.truncate(stand.mount / "open.bin", 2**36)
        with client.stream("GET", f"/api/files/{inode}/content") as answer:
            next(answer.iter_raw())
        until(lambda: str(stand.mount / "open.bin") not in open_files())


class TestDelete:
    def test_only_the_requested_file_is_deleted(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "gone/a.txt", b"a")
        write(stand, "gone/b.txt", b"b")
        answer = client.delete(f"/api/files/{inode}")
        assert answer.json() == {"deleted": [f"{stand.mount}/gone/a.txt"]}
        assert [path.name for path in (stand.mount / "gone").iterdir()] == ["b.txt"]
        stand.walker.step()
        assert client.delete(f"/api/files/{inode}").status_code == 404

    def test_all_names_of_a_file_are_deleted(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "names/one.txt", b"x")
        (stand.mount / "names" / "two.txt").hardlink_to(stand.mount / "names" / "one.txt")
        stand.walker.step()
        assert len(client.delete(f"/api/files/{inode}").json()["deleted"]) == 2
        assert list((stand.mount / "names").iterdir()) == []
        stand.walker.step()

    def test_a_file_that_replaced_the_requested_one_is_kept(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "replaced.txt", b"old")
        new = stand.mount / "new"
        new.write_bytes(b"new")
        new.rename(stand.mount / "replaced.txt")
        # The graph still says that the old file is there.
        assert client.delete(f"/api/files/{inode}").status_code == 404
        assert (stand.mount / "replaced.txt").read_bytes() == b"new"
        stand.walker.step()

    def test_a_file_that_moves_meanwhile_is_deleted_at_its_new_path(self, stand: Stand, client: httpx.Client) -> None:
        inode = write(stand, "moving.txt", b"x")
        (stand.mount / "moving.txt").rename(stand.mount / "moved-on.txt")
        with httpx.Client(base_url=stand.address, headers=client.headers, timeout=60, trust_env=False) as other:
            thread = threading.Timer(0.1, stand.walker.step)
            thread.start()
            answer = other.delete(f"/api/files/{inode}")
            thread.join()
        assert answer.json() == {"deleted": [f"{stand.mount}/moved-on.txt"]}


class TestEvents:
    def test_a_new_file_is_reported_as_an_event(self, stand: Stand, client: httpx.Client) -> None:
        with client.stream("GET", "/api/events") as answer:
            lines = answer.iter_lines()
            assert next_event(lines, "counts")["files"] > 0
            inode = write(stand, "fresh.txt", b"fresh")
            changed: list[int] = []
            end = time.monotonic() + MOVED_IN_TIME
            while inode not in changed:
                assert time.monotonic() < end, "the file was not told of"
                changed += next_event(lines, "changed")["files"]


class TestWithoutGraph:
    def test_a_stopped_graph_is_reported_and_works_again_after_its_start(
        self, stand: Stand, client: httpx.Client
    ) -> None:
        stand.stop_graph()
        assert client.get("/health").status_code == 503
        answer = client.get("/api/search", params={"q": "coffee"})
        assert answer.status_code == 503
        assert "try again" in answer.json()["error"]
        stand.start_graph()
        until(lambda: client.get("/health").status_code == 200)
        assert found(client, "coffee")


def next_event(lines: Iterator[str], name: str) -> Any:
    """The data of the next event with that name."""
    for line in lines:
        if line == f"event: {name}":
            return json.loads(next(lines).removeprefix("data: "))
    raise AssertionError("the stream ended")


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that must come."""
    end = time.monotonic() + MOVED_IN_TIME
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def open_files() -> set[str]:
    """What this process, in which uvicorn runs, has open."""
    paths = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            paths.add(str(descriptor.readlink()))
        except OSError:
            continue
    return paths
