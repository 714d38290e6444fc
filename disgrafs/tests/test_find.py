"""`disgrafs find` from a shell: output, errors and exit status."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from disgrafs import find
from disgrafs.tests.stand import Stand

PACKAGES = Path(find.__file__).parents[1]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("volume"), tmp_path_factory.mktemp("vendor")) as stand:
        stand.write_corpus(seed=5, files=40)
        (stand.mount / "two words").mkdir()
        (stand.mount / "two words" / "a\tb \x1b[2J axolotl.txt").write_text("x")
        stand.walker.step()
        (stand.mount.parent / "token").write_text(stand.token)
        yield stand


def run(stand: Stand, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """As the command on a node runs it."""
    environment = {"DISGRAFS_API": stand.address, "DISGRAFS_TOKEN_FILE": str(stand.mount.parent / "token"), **changed}
    return subprocess.run(
        [sys.executable, "-sP", "-m", find.__name__, *arguments],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(PACKAGES), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_line_has_a_path_and_its_tags(stand: Stand) -> None:
    result = run(stand, "coffee", "tag:markdown", "--limit", "200")
    expected = {f"{stand.mount}/{p.path}" for p in stand.pieces if p.topic == "coffee" and p.kind == "markdown"}
    assert {line.split("\t")[0] for line in result.stdout.splitlines()} == expected
    assert (result.returncode, result.stderr) == (0, "")


def test_json_has_everything_known_about_a_file(stand: Stand) -> None:
    answer = json.loads(run(stand, "axolotl", "--json").stdout)
    assert answer["total"] == 1
    assert answer["files"][0]["path"] == str(stand.mount / "two words" / "a\tb \x1b[2J axolotl.txt")


def test_on_a_terminal_a_name_cannot_move_the_cursor(stand: Stand) -> None:
    # ./lab find asks for it: its terminal is at the other end of an ssh, where this process sees a pipe.
    name = "a\tb \x1b[2J axolotl.txt"
    assert name in run(stand, "axolotl").stdout
    shown = run(stand, "axolotl", "--terminal").stdout
    assert name.replace("\x1b", "?") in shown
    assert "\x1b" not in shown
    assert run(stand, "axolotl", "--terminal", "--json").stdout.isascii()


def test_a_value_with_spaces_stays_one_value(stand: Stand) -> None:
    assert run(stand, f"in:{stand.mount}/two words").stdout.count("axolotl") == 2
    assert run(stand, "tag:no such", "coffee").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "changed", "words"),
    [
        (("nosuchword",), {}, ""),
        (("in:/nowhere",), {}, "there is no folder /nowhere"),
        (("coffee",), {"DISGRAFS_API": "http://127.0.0.1:1"}, "does not answer"),
        (("coffee",), {"DISGRAFS_TOKEN_FILE": "/nonexistent"}, "the token cannot be read"),
    ],
)
def test_errors_have_exit_status_1_and_advice(
    stand: Stand, arguments: tuple[str, ...], changed: dict[str, str], words: str
) -> None:
    result = run(stand, *arguments, **changed)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_wrong_token_is_reported_without_its_text(stand: Stand, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("w" * 48)
    result = run(stand, "coffee", DISGRAFS_TOKEN_FILE=str(wrong))
    assert result.returncode == 1
    assert "sign in with the token" in result.stderr
    assert "www" not in result.stderr
