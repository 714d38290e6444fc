"""Lookups in an index on the node's data disk, by `schain bench`, with the method that the arm wrote to WAY_FILE."""

import json
from pathlib import Path
from typing import Any

from .lifeline import Lifeline
from .programs import GRACE_SECONDS
from .system import read, run

SCHAIN = Path("/opt/disgrafs/extensions/storage-chain/bin/schain")
NVME = Path("/sys/class/nvme")
# Words for `schain bench`, one per line, written by arms/chain.sh. The baseline has no such file.
WAY_FILE = Path("/run/disgrafs/lookup-way")
BASELINE_WAY = ["--via", "read"]
# Not a word for `schain bench`: an arm writes it if its single lookups must also go through a ring.
RING = "ring"
# For each figure: levels of the tree, concurrent lookups, and whether some keys are more frequent.
PHASES = {
    **{f"d{depth}": (depth, 1, False) for depth in range(3, 9)},
    "d8zipf": (8, 1, True),
    "d8q8": (8, 8, False),
    "d8q32": (8, 32, False),
}
# Sources of images that may be replaced: this benchmark's own, and the one that the extension's proof writes.
REPLACEABLE = ("synthetic", "/etc")


def data_disk() -> str:
    """The disk that the extension's loader uses: the lab's own, or an instance store. RuntimeError without one."""
    for controller in sorted(NVME.glob("nvme*")):
        serial, model = read(controller / "serial"), read(controller / "model")
        if serial == "data" or model == "Amazon EC2 NVMe Instance Storage":
            return f"/dev/{controller.name}n1"
    raise RuntimeError("no data disk for lookups: set dataDiskMiB, or on AWS an instance type with an instance store")


def prepare() -> None:
    """Write the indexes unless they exist. RuntimeError if the disk has an image that may be in use."""
    if not SCHAIN.exists():
        raise RuntimeError(
            "lookups need the extension storage-chain: choose one of its arms, or set extensions.storage-chain"
        )
    SCHAIN.chmod(0o755)
    disk = data_disk()
    if not blank(disk):
        image = json.loads(run([str(SCHAIN), "status", "--image", disk]))
        depths = {f"depth{depth}" for depth, _, _ in PHASES.values()}
        if depths <= {index["name"] for index in image["indexes"]}:
            return
        if image["source"] not in REPLACEABLE:
            raise RuntimeError(
                f"{disk} has an index of {image['source']}, which the benchmark would replace: "
                f"to allow that, erase it with blkdiscard --zeroout {disk}"
            )
    run([str(SCHAIN), "build", "--synthetic", "3-8", disk], timeout=300)


def blank(disk: str) -> bool:
    """Whether the disk's first 4 KiB are zero; `schain build` checks more before it writes."""
    with Path(disk).open("rb") as device:
        return not any(device.read(4096))


def command(figure: str, seconds: float, seed: int) -> list[str]:
    """The `schain bench` command for a figure, with the arm's method."""
    depth, at_once, zipf = PHASES[figure]
    way = (read(WAY_FILE) or "").splitlines() or BASELINE_WAY
    words = [str(SCHAIN), "bench", "--image", data_disk(), "--index", f"depth{depth}", "--seed", str(seed)]
    words += ["--seconds", str(max(1, round(seconds))), *(word for word in way if word != RING)]
    if at_once > 1 or RING in way:
        words += ["--depth", str(at_once)]
    return words + (["--zipf"] if zipf else [])


def run_figure(lifeline: Lifeline, figure: str, seconds: float, seed: int, scratch: Path) -> dict[str, Any]:
    """Measure one figure. RuntimeError if a lookup was wrong, or did not use the arm's method."""
    output = scratch / "lookup.json"
    with output.open("wb") as out:
        status = lifeline.run(command(figure, seconds, seed), seconds * 10 + GRACE_SECONDS, out)
    text = output.read_text(errors="replace")
    if status != 0:
        raise RuntimeError(f"lookups, {figure}: exit status {status}: {text.strip()[-300:]}")
    result = json.loads(text)
    if result["wrong"] or result["fellBack"]:
        raise RuntimeError(
            f"lookups, {figure}: of {result['lookups']} lookups {result['wrong']} were wrong, "
            f"and {result['fellBack']} did not end through the door"
        )
    return {"operations": result["lookups"], "seconds": result["lookups"] / result["perSecond"]}


def run_all(lifeline: Lifeline, seconds: float, seed: int, scratch: Path) -> dict[str, Any]:
    """Measure all figures; the result has the same form as that of the loops."""
    return {figure: run_figure(lifeline, figure, seconds, seed, scratch) for figure in PHASES}
