"""Lookups on the data disk: the image, the lookup method, and the arms' script."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from disgrafs_benchmark import lookup
from disgrafs_benchmark.lifeline import Lifeline

CHAIN = Path(__file__).parents[2] / "arms" / "chain.sh"
SOURCES = Path(__file__).parents[3] / "bpf" / "storage-chain"
ANSWER = {"lookups": 50, "wrong": 0, "fellBack": 0, "perSecond": 200.0}


@pytest.fixture(scope="session")
def schain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real `schain`, compiled here."""
    out = tmp_path_factory.mktemp("schain") / "schain"
    include = [f"-I{SOURCES / folder}" for folder in (".", "lib", "cli")]
    sources = [*SOURCES.glob("lib/*.c"), *SOURCES.glob("cli/*.c")]
    subprocess.run(["gcc", "-O1", "-std=gnu17", "-Wall", "-Werror", *include, *sources, "-lm", "-o", out], check=True)
    return out


@pytest.fixture
def node(tmp_path: Path, schain: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node whose data disk is a file."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 25))
    monkeypatch.setattr(lookup, "SCHAIN", schain)
    monkeypatch.setattr(lookup, "WAY_FILE", tmp_path / "way")
    monkeypatch.setattr(lookup, "data_disk", lambda: str(disk))
    return tmp_path


def test_every_figure_has_lookups_that_schain_verified(node: Path) -> None:
    lookup.prepare()
    result = lookup.run_all(Lifeline("test"), 1, 5, node)
    assert list(result) == ["d3", "d4", "d5", "d6", "d7", "d8", "d8zipf", "d8q8", "d8q32"]
    for figure in result.values():
        assert figure["operations"] > 10
        assert 0 < figure["seconds"] < 5


def test_an_existing_index_is_used_again_and_another_image_is_not_replaced(node: Path, schain: Path) -> None:
    lookup.prepare()
    first = (node / "disk").read_bytes()[:4096]
    lookup.prepare()
    assert (node / "disk").read_bytes()[:4096] == first
    subprocess.run([schain, "build", node, node / "disk"], check=True, capture_output=True)
    before = (node / "disk").read_bytes()
    with pytest.raises(RuntimeError, match=f"has an index of {node}, which the benchmark would replace"):
        lookup.prepare()
    assert (node / "disk").read_bytes() == before


def test_errors_name_a_missing_extension_and_a_missing_data_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "SCHAIN", tmp_path / "nothing")
    with pytest.raises(RuntimeError, match="need the extension storage-chain"):
        lookup.prepare()
    monkeypatch.setattr(lookup, "NVME", tmp_path)
    (tmp_path / "nvme0").mkdir()
    (tmp_path / "nvme0" / "serial").write_text("root\n")
    with pytest.raises(RuntimeError, match="set dataDiskMiB"):
        lookup.data_disk()
    (tmp_path / "nvme1").mkdir()
    (tmp_path / "nvme1" / "serial").write_text("data                \n")
    assert lookup.data_disk() == "/dev/nvme1n1"


@pytest.mark.parametrize(
    ("way", "figure", "expected"),
    [
        (None, "d3", ["--via", "read"]),
        (None, "d8q32", ["--via", "read", "--depth", "32"]),
        (["--via", "chain"], "d8", ["--via", "chain"]),
        (["--via", "chain", "--poll", "ring"], "d8zipf", ["--via", "chain", "--poll", "--depth", "1", "--zipf"]),
        (["--via", "read", "ring"], "d8q8", ["--via", "read", "--depth", "8"]),
    ],
)
def test_the_arms_method_and_the_figure_determine_the_command(
    node: Path, way: list[str] | None, figure: str, expected: list[str]
) -> None:
    if way:
        (node / "way").write_text("\n".join(way) + "\n")
    words = lookup.command(figure, 1, 3)
    assert words[words.index("--seconds") + 2 :] == expected
    assert words[words.index("--index") + 1] == f"depth{figure[1]}"


@pytest.mark.parametrize("fault", ["wrong", "fellBack"])
def test_wrong_lookups_and_lookups_by_another_method_raise_an_error(
    node: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], Path], fault: str
) -> None:
    def answers(**changed: int) -> None:
        monkeypatch.setattr(lookup, "SCHAIN", program("schain", f"echo '{json.dumps({**ANSWER, **changed})}'"))

    answers()
    assert lookup.run_figure(Lifeline("test"), "d3", 1, 1, node) == {"operations": 50, "seconds": 0.25}
    answers(**{fault: 2})
    with pytest.raises(RuntimeError, match="did not end through the door"):
        lookup.run_figure(Lifeline("test"), "d3", 1, 1, node)


class Node:
    """A folder with a copy of chain.sh and stand-ins for the loader, its unit and its files."""

    def __init__(self, folder: Path, program: Callable[[str, str], Path]) -> None:
        self.folder = folder
        self.arms = folder / "arms"
        self.arms.mkdir()
        text = CHAIN.read_text()
        for there in ("/opt/disgrafs", "/etc/disgrafs", "/run/disgrafs"):
            text = text.replace(there, f"{folder}{there}")
        (self.arms / "chain.sh").write_text(text)
        (self.arms / "unit.sh").write_text('echo "unit.sh $*"')
        self.log = folder / "log"
        program(
            "systemctl",
            f'echo "systemctl $1" >>{self.log}; case $1 in start) touch {folder}/running;; '
            f"stop) rm -f {folder}/running;; is-active) [ -e {folder}/running ];; esac",
        )
        loader = folder / "opt/disgrafs/extensions/storage-chain/bin/storage-chain"
        loader.parent.mkdir(parents=True)
        loader.write_text(
            f'#!/bin/sh\necho "loader $*" >>{self.log}\ncase $1 in --status) cat {folder}/status;; '
            f"--preflight) cat {folder}/preflight;; esac\n"
        )
        loader.chmod(0o755)
        own = folder / "etc/disgrafs/extensions/storage-chain"
        own.parent.mkdir(parents=True)
        own.write_text("OPTIONS='--device auto --mode wq'\n")
        (folder / "preflight").write_text('{"supported":true,"how":"x"}\n')
        self.way = folder / "run/disgrafs/lookup-way"
        self.instead = folder / "run/disgrafs/extension-storage-chain.env"

    def mode(self, mode: str, reads: int = 7) -> None:
        status = {"facts": {"mode": mode, "reads": reads}, "programs": [{"name": "p", "tag": "t", "id": 1}]}
        (self.folder / "status").write_text(json.dumps(status))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        script = [str(self.arms / "chain.sh"), *words, "/mnt"]
        return subprocess.run(
            ["bash", *script], capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
        )


@pytest.fixture
def chain(tmp_path: Path, program: Callable[[str, str], Path]) -> Node:
    return Node(tmp_path, program)


@pytest.mark.parametrize(("way", "words"), [("irq", "--via\nchain\n"), ("poll", "--via\nchain\n--poll\nring\n")])
def test_a_chain_arm_starts_the_loader_in_its_mode_and_proves_it(chain: Node, way: str, words: str) -> None:
    chain.mode(way)
    assert chain.call(way, "enable").returncode == 0
    assert chain.instead.read_text() == f"OPTIONS='--device auto --mode wq --mode {way}'\n"
    assert chain.way.read_text() == words
    assert json.loads(chain.call(way, "prove").stdout) == {
        "active": True,
        "count": 7,
        "programs": [{"name": "p", "tag": "t"}],
    }
    # Not active: another arm, and this arm if the loader is in another mode.
    assert json.loads(chain.call("wq", "prove").stdout)["active"] is False
    chain.mode("wq")
    assert json.loads(chain.call(way, "prove").stdout)["active"] is False
    assert chain.call(way, "disable").returncode == 0
    assert not chain.way.exists()
    assert not chain.instead.exists()
    assert chain.log.read_text().splitlines()[-2:] == ["systemctl stop", "loader --remove"]


def test_an_arm_without_a_module_does_not_touch_the_loader(chain: Node) -> None:
    assert chain.call("io-uring", "enable").returncode == 0
    assert json.loads(chain.call("io-uring", "prove").stdout) == {"active": True, "count": None}
    assert chain.call("io-uring", "disable").returncode == 0
    assert json.loads(chain.call("io-uring", "prove").stdout)["active"] is False
    assert not chain.log.exists()


def test_a_loader_that_the_lab_itself_started_is_not_stopped(chain: Node) -> None:
    (chain.folder / "running").touch()
    chain.mode("wq")
    assert json.loads(chain.call("wq", "prove").stdout)["active"] is False
    assert chain.call("wq", "disable").returncode == 0
    assert (chain.folder / "running").exists()


def test_a_mode_that_the_machine_does_not_support_is_reported_with_its_reason(chain: Node) -> None:
    assert chain.call("irq", "check").returncode == 0
    (chain.folder / "preflight").write_text('{"supported":false,"reason":"no poll queues","needed":"them"}\n')
    refused = chain.call("poll", "check")
    assert (refused.returncode, refused.stderr) == (1, "unsupported: no poll queues; needed: them\n")
    assert chain.call("io-uring-poll", "check").returncode == 0


def test_an_unknown_way_or_action_is_refused(chain: Node) -> None:
    for words in (("fast", "check"), ("wq", "fly")):
        refused = chain.call(*words)
        assert refused.returncode == 2
        assert "usage" in refused.stderr
