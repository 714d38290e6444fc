"""Runs the scripts of arms on the node, with the actions `check`, `enable`, `prove` and `disable`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .mount import ResetError
from .plan import Arm
from .system import ProgramError, run

SCRIPTS = Path("/opt/disgrafs/benchmarks/arms")


@dataclass(frozen=True)
class Proof:
    """The output of an arm's script for `prove`.

    `count` is how often the arm's extension has run since it was enabled, or None for an arm without an extension;
    `programs` has the names and tags of its programs in the kernel. `reads` and `read_bytes` are the number and size of
    the reads that it answered, or None if it answers none.
    """

    active: bool
    count: int | None
    programs: list[dict[str, Any]] = field(default_factory=list)
    reads: int | None = None
    read_bytes: int | None = None


def call(arm: Arm, action: str, mount_point: str, scripts: Path) -> str:
    """Run an arm's script. RuntimeError if it fails."""
    file, *words = arm.script or []
    return run(["bash", str(scripts / file), *words, action, mount_point], timeout=180)


def obstacle(arm: Arm, mount_point: str, scripts: Path = SCRIPTS) -> str | None:
    """The reason why an arm cannot run on this machine; None if it can."""
    try:
        call(arm, "check", mount_point, scripts)
    except ProgramError as error:
        return error.said or str(error)
    except RuntimeError as error:
        return str(error)
    return None


def switch(arm: Arm, action: str, mount_point: str, scripts: Path = SCRIPTS) -> str:
    """Run an arm's script; ResetError if it fails."""
    try:
        return call(arm, action, mount_point, scripts)
    except RuntimeError as error:
        raise ResetError(f"arm {arm.name}, {action}: {error}") from error


def prove(arm: Arm, mount_point: str, scripts: Path = SCRIPTS) -> Proof:
    """Get the proof from an arm's script. ResetError if the arm is not active, or the output is invalid."""
    text = switch(arm, "prove", mount_point, scripts)
    try:
        answer = json.loads(text)
        count = answer["count"] if not arm.counted and answer["count"] is None else int(answer["count"])
        reads = (int(answer["reads"]), int(answer["readBytes"])) if arm.reads and answer["active"] is True else ()
        proof = Proof(answer["active"] is True, count, answer.get("programs", []), *reads)
    except (ValueError, KeyError, TypeError) as error:
        raise ResetError(f"arm {arm.name}, prove: expected one line of JSON, got {text[:200]!r}") from error
    if not proof.active:
        raise ResetError(f"arm {arm.name} is not active: {text.strip()[:200]}")
    return proof


def is_active(arm: Arm, mount_point: str, scripts: Path = SCRIPTS) -> bool:
    """Whether an arm's script reports that it is active; a failing script counts as inactive."""
    try:
        prove(arm, mount_point, scripts)
    except ResetError:
        return False
    return True
