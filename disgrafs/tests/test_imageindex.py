"""The graph's image for storage chains: its list, and the results of `disgrafs find --index`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from disgrafs import find, names, text
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT, Changes, Entry, Placed, Tag, Tagged, Written
from disgrafs.imageindex import __main__ as program
from disgrafs.imageindex.listing import record, records

PACKAGES = Path(find.__file__).parents[1]
SOURCES = PACKAGES / "bpf" / "storage-chain"
HOSTILE = [b"two  words.txt", b'q"\\uote', b"new\nline", b"\xff\xfe.bin", "報告".encode(), b"x" * 255]


@pytest.fixture(scope="session")
def schain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`schain` itself, compiled here: it needs no kernel to build images and to read them."""
    out = tmp_path_factory.mktemp("schain") / "schain"
    sources = [*SOURCES.glob("lib/*.c"), *SOURCES.glob("cli/*.c")]
    include = [f"-I{SOURCES / folder}" for folder in (".", "lib", "cli")]
    subprocess.run(["gcc", "-O1", "-std=gnu17", "-Wall", "-Werror", *include, *sources, "-lm", "-o", out], check=True)
    return out


@pytest.fixture
def filled(graph: Graph) -> Graph:
    """docs/ and docs/deep/ with files; every third is "red", every fifth "blue whale", and 14 is still untagged."""
    entries: dict[tuple[int, str], Entry | None] = {
        (ROOT, "docs"): Entry(2, directory=True),
        (2, "deep"): Entry(3, directory=True),
    }
    for i in range(10, 40):
        entries[(2 if i % 2 else 3, f"file {i}.txt")] = Entry(i, directory=False)
    for i, name in enumerate(HOSTILE, 50):
        entries[(3, names.stored(name))] = Entry(i, directory=False)
    entries[(ROOT, "second name")] = Entry(11, directory=False)
    inodes = [entry.inode for entry in entries.values() if entry and not entry.directory]
    graph.apply(Changes(entries=entries, written={i: Written(5, 1.0) for i in inodes}), 5, 1.0)
    tagged = []
    for i in sorted(set(inodes) - {14}):
        labels = [name for name, every in (("red", 3), ("blue whale", 5)) if i % every == 0]
        tags = tuple(Tag(name, 0.5, "text") for name in labels)
        tagged.append(Tagged(i, 5, "text", 1, "text/plain", i * 100, i * 10**9, tags))
    graph.commit(tagged, 2.0)
    return graph


@pytest.fixture
def image(filled: Graph, schain: Path, tmp_path: Path) -> Path:
    path = tmp_path / "image"
    assert program.build(filled, str(schain), str(path), "/mnt/jfs") == 0
    return path


def run(schain: Path, image: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"], "DISGRAFS_SCHAIN": str(schain), "DISGRAFS_IMAGE": str(image)}
    return subprocess.run(
        [sys.executable, "-sP", "-m", find.__name__, "--index", *arguments],
        env={"LANG": "C.UTF-8", "PYTHONPATH": str(PACKAGES), **environment},
        capture_output=True,
        check=False,
    )


def test_the_graph_gives_every_name_once_in_its_place(filled: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sorted(filled.placed(), key=lambda one: (one.inode, one.path))
    assert len(expected) == 3 + 30 + len(HOSTILE) + 1
    by_path = {one.path: one for one in expected}
    assert by_path[""] == Placed(ROOT, ROOT, "", directory=True)
    assert by_path["docs/deep"] == Placed(3, 2, "docs/deep", directory=True)
    assert by_path["docs/file 15.txt"] == Placed(
        15, 2, "docs/file 15.txt", directory=False, size=1500, mtime_ns=15 * 10**9, labels=("blue whale", "red")
    )
    assert by_path["docs/deep/file 14.txt"].size is None
    assert {one.path for one in expected if one.inode == 11} == {"docs/file 11.txt", "second name"}
    # In pieces that end within the inodes it is the same.
    monkeypatch.setattr("disgrafs.graph.cypher._EXPORT_PIECE", 4)
    assert sorted(filled.placed(), key=lambda one: (one.inode, one.path)) == expected


def test_a_record_has_what_schain_reads() -> None:
    one = Placed(7, 3, "a b", directory=False, size=5, mtime_ns=1_999_999_999, labels=("x", "y z"))
    assert record(one) == b"7 3 5 1 32768 a b\0x\0y z\0\0"
    assert record(Placed(1, 1, "", directory=True)) == b"1 1 0 0 16384 .\0\0"


def test_of_two_files_that_had_one_path_while_it_was_read_the_first_is_listed() -> None:
    two = [Placed(i, 1, "same", directory=False) for i in (5, 6)]
    assert list(records(two)) == [record(two[0])]


@pytest.mark.parametrize(
    ("tags", "every"), [(("red",), (3,)), (("Blue  Whale",), (5,)), (("red", "blue whale"), (3, 5))]
)
def test_find_gives_the_files_that_have_all_tags(
    schain: Path, image: Path, filled: Graph, tags: tuple[str, ...], every: tuple[int, ...]
) -> None:
    wanted = {text.label(tag) for tag in tags}
    expected = {f"/mnt/jfs/{one.path}" for one in filled.placed() if wanted <= set(one.labels)}
    result = run(schain, image, *(f"tag:{tag}" for tag in tags), "--json")
    files = json.loads(result.stdout)["files"]
    assert {file["path"] for file in files} == {path for path in expected if "second" not in path}
    assert files
    assert all(file["inode"] % n == 0 for file in files for n in every)
    assert [file["size"] for file in files] == [file["inode"] * 100 for file in files]


def test_find_gives_what_is_in_a_folder_and_says_when_there_is_more(schain: Path, image: Path) -> None:
    lines = run(schain, image, "tag:red", "in:/mnt/jfs/docs/deep").stdout.splitlines()
    assert lines
    assert all(line.startswith(b"/mnt/jfs/docs/deep/") for line in lines)
    result = run(schain, image, "tag:red", "--limit", "2")
    assert len(result.stdout.splitlines()) == 2
    assert b"there are more" in result.stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_find_gives_a_path_of_any_bytes_as_it_is(schain: Path, image: Path, name: bytes) -> None:
    path = b"/mnt/jfs/docs/deep/" + name
    result = run(schain, image, os.fsdecode(path))
    assert result.stdout == path + b"\t%d\n" % ((50 + HOSTILE.index(name)) * 100)
    assert result.returncode == 0


def test_a_file_that_waits_for_its_tags_has_no_size_yet(schain: Path, image: Path) -> None:
    assert run(schain, image, "/mnt/jfs/docs/deep/file 14.txt").stdout.endswith(b"\tunknown\n")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["coffee"], "--index finds only tag:NAME"),
        (["is:waiting"], "--index finds only tag:NAME"),
        (["in:/mnt/jfs/docs"], "needs tag:NAME"),
        (["/elsewhere/file"], "is not below /mnt/jfs"),
        (["tag:red", "in:/elsewhere"], "is not below /mnt/jfs"),
        (["tag:red", "/mnt/jfs/docs"], "needs tag:NAME"),
    ],
)
def test_what_the_image_cannot_answer_is_said(schain: Path, image: Path, arguments: list[str], word: str) -> None:
    result = run(schain, image, *arguments)
    assert (result.returncode, result.stdout) == (1, b"")
    assert word in result.stderr.decode()


def test_nothing_found_is_status_1(schain: Path, image: Path) -> None:
    for arguments in (["tag:nosuch"], ["/mnt/jfs/docs/nosuch"]):
        result = run(schain, image, *arguments)
        assert (result.returncode, result.stdout) == (1, b""), arguments


def test_a_node_without_the_extension_or_an_image_says_so(schain: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(bytes(8192))
    assert b"has no image" in run(schain, tmp_path / "empty", "tag:red").stderr
    assert b"load the extension storage-chain" in run(tmp_path / "nothing", tmp_path / "empty", "tag:red").stderr


def test_a_new_image_takes_the_place_of_the_old_one_and_half_a_list_takes_none(
    schain: Path, image: Path, filled: Graph, tmp_path: Path
) -> None:
    before = image.read_bytes()[:4096]

    class Interrupted:
        def placed(self) -> Iterator[Placed]:
            yield from list(filled.placed())[:10]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.build(Interrupted(), str(schain), str(image), "/mnt/jfs")  # type: ignore[arg-type]
    assert image.read_bytes()[:4096] == before
    filled.apply(Changes(entries={(2, "new"): Entry(90, directory=False)}, written={90: Written(6, 3.0)}), 6, 3.0)
    assert program.build(filled, str(schain), str(image), "/mnt/jfs") == 0
    assert run(schain, image, "/mnt/jfs/docs/new").returncode == 0
    assert image.read_bytes()[:4096] != before
    verified = subprocess.run([schain, "verify", "--via", "read", "--image", image], capture_output=True, check=False)
    assert json.loads(verified.stdout.splitlines()[-1])["mismatches"] == 0


def test_names_that_lie_over_many_leaves_are_put_together(schain: Path, tmp_path: Path) -> None:
    paths = [f"{'d' * 40}-{i}/{'n' * (i % 240)}{i:05}.x" for i in range(3000)]
    folders = sorted({path.split("/")[0] for path in paths})
    of_folder = {name: 10_000 + i for i, name in enumerate(folders)}
    listed = [Placed(1, 1, "", directory=True)]
    listed += [Placed(of_folder[name], 1, name, directory=True) for name in folders]
    listed += [
        Placed(i + 2, of_folder[path.split("/")[0]], path, directory=False, size=1, mtime_ns=0, labels=("x",))
        for i, path in enumerate(paths)
    ]
    image = tmp_path / "image"
    content = b"".join(records(listed)) + b"\0"
    subprocess.run([schain, "build", "--list", "-", image], input=content, check=True, capture_output=True)
    found = subprocess.run(
        [schain, "lookup", "--tag=x", "--limit=9999", f"--image={image}"], check=True, capture_output=True
    )
    got = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(one["inode"], one["path"]) for one in got] == [(i + 2, path) for i, path in enumerate(paths)]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "the list is incomplete"),
        (b"5 1 1 1 1 x\0\0", "the list is incomplete"),
        (b"5 1 1 1 1 x\0\0\0more", "goes on after its end"),
        (b"5 1 1 1 x\0\0\0", "record 1 of the list is not"),
        (b"5 1 1 1 1 /x\0\0\0", "record 1 of the list is not"),
        (b"-5 1 1 1 1 x\0\0\0", "record 1 of the list is not"),
        (b"5 1 1 1 1 x\0\0006 1 1 1 1 x\0\0\0", "a path is listed twice"),
        (b"5 1 1 1 1 " + b"x" * 256 + b"\0\0\0", "more than 255 bytes"),
    ],
)
def test_a_list_that_is_none_is_refused_and_nothing_is_written(
    schain: Path, tmp_path: Path, content: bytes, word: str
) -> None:
    image = tmp_path / "image"
    result = subprocess.run([schain, "build", "--list", "-", image], input=content, capture_output=True, check=False)
    assert result.returncode == 1
    assert word in result.stderr.decode()
    assert not image.exists()


@pytest.mark.parametrize("depth", ["0", "16"])
def test_lookups_that_are_under_way_go_on_in_the_image_that_takes_the_place(
    schain: Path, tmp_path: Path, depth: str
) -> None:
    image = tmp_path / "image"
    build: list[str | Path] = [schain, "build", "--synthetic", "4", image]
    subprocess.run(build, check=True, capture_output=True)
    bench: list[str | Path] = [
        schain,
        "bench",
        "--via=read",
        f"--depth={depth}",
        "--index=depth4",
        "--seconds=2",
        f"--image={image}",
    ]
    with subprocess.Popen(bench, stdout=subprocess.PIPE) as looking:
        builds = 0
        # Each place of an image is written over many times.
        while looking.poll() is None:
            subprocess.run(build, check=True, capture_output=True)
            builds += 1
        assert looking.stdout is not None
        result = json.loads(looking.stdout.read())
    assert (result["wrong"], looking.returncode) == (0, 0), result
    assert result["lookups"] > 100
    assert builds > 4
