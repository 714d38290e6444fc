"""Arms that a script on the node switches: `enable`, `disable`, `prove`."""

import json
from dataclasses import dataclass
from pathlib import Path

from .mount import ResetError
from .plan import Arm
from .system import run

SCRIPTS = Path("/opt/disgrafs/benchmarks/arms")


@dataclass(frozen=True)
class Proof:
    """What an arm's script says of itself: whether it is active, and how often it has run since it was enabled."""

    active: bool
    count: int


def switch(arm: Arm, action: str, mount_point: str, scripts: Path = SCRIPTS) -> str:
    """Run an arm's script; ResetError when it fails."""
    try:
        return run(["bash", str(scripts / str(arm.script)), action, mount_point], timeout=180)
    except RuntimeError as error:
        raise ResetError(f"arm {arm.name}, {action}: {error}") from error


def prove(arm: Arm, mount_point: str, scripts: Path = SCRIPTS) -> Proof:
    """Ask an arm's script for its proof. ResetError when it is not active or not understood."""
    text = switch(arm, "prove", mount_point, scripts)
    try:
        answer = json.loads(text)
        proof = Proof(answer["active"] is True, int(answer["count"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ResetError(f"arm {arm.name}, prove: expected one line of JSON, got {text[:200]!r}") from error
    if not proof.active:
        raise ResetError(f"arm {arm.name} is not active: {text.strip()[:200]}")
    return proof


def is_active(arm: Arm, mount_point: str, scripts: Path = SCRIPTS) -> bool:
    """Whether an arm's script says that it is active now; a script that fails means that it is not."""
    try:
        prove(arm, mount_point, scripts)
    except ResetError:
        return False
    return True
