"""The lab's own extensions: during a run, no extension may be loaded but that of the current arm.

An extension is loaded while its unit is active (bpf/pipeline/node). The names of those that a run has stopped are in a
file, because an agent that was killed cannot start them again: the next one does, at the end of the run.
"""

from pathlib import Path

from .mount import ResetError
from .plan import Arm
from .system import read, run

UNIT = "disgrafs-extension@{}.service"
# In /run: after a reboot, the lab loads its extensions itself.
STOPPED_FILE = Path("/run/disgrafs/benchmark-extensions")
# Has a file of each installed extension.
INSTALLED = Path("/etc/disgrafs/extensions")
# Options of an arm for an extension's unit, instead of the lab's own.
OPTIONS_FILE = "/run/disgrafs/extension-{}.env"
STATES = "active,activating,deactivating,reloading"


def active() -> list[str]:
    """Names of the extensions that are loaded here. RuntimeError if systemd does not answer."""
    text = run(["systemctl", "list-units", "--plain", "--no-legend", f"--state={STATES}", UNIT.format("*")])
    before, _, after = UNIT.partition("{}")
    units = [line.split()[0] for line in text.splitlines() if line.strip()]
    return sorted(unit.removeprefix(before).removesuffix(after) for unit in units)


def stopped() -> list[str]:
    """The extensions that the run has stopped and not started again."""
    return (read(STOPPED_FILE) or "").split()


def stop_all(left_by_arm: str | None) -> None:
    """Stop all extensions. All but the one that an arm of a killed agent has left are the lab's, and are remembered."""
    found = active()
    remember(sorted({*stopped(), *found} - {left_by_arm or ""}))
    for name in found:
        run(["systemctl", "stop", UNIT.format(name)], timeout=180)


def start_again() -> None:
    """Start the lab's extensions with the lab's options. RuntimeError names one that does not start."""
    for name in stopped():
        # The lab may have removed it since then.
        if (INSTALLED / name).exists():
            Path(OPTIONS_FILE.format(name)).unlink(missing_ok=True)
            run(["systemctl", "start", UNIT.format(name)], timeout=180)
        # Only now: after an error, the next call tries again.
        remember([other for other in stopped() if other != name])


def remember(names: list[str]) -> None:
    """Write the names of stopped extensions to the file."""
    if names:
        STOPPED_FILE.parent.mkdir(parents=True, exist_ok=True)
        STOPPED_FILE.write_text("".join(f"{name}\n" for name in names))
    else:
        STOPPED_FILE.unlink(missing_ok=True)


def only(arm: Arm) -> list[str]:
    """The extensions that are loaded. ResetError if one of them is not the arm's."""
    found = active()
    foreign = [name for name in found if name != arm.extension]
    if foreign:
        raise ResetError(f"extensions that are not part of arm {arm.name} are loaded: {', '.join(foreign)}")
    return found
