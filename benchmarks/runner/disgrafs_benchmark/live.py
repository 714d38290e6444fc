"""Writes what a run is measuring to a text file of the node exporter, for the lab's charts."""

import os
from pathlib import Path

# place.sh removes the file when the unit ends, whatever ended it.
FILE = Path("/var/lib/prometheus/node-exporter/disgrafs-benchmark.prom")


class Live:
    """Writes the file where the node exporter has its folder. A small write before each point, watched or not."""

    def __init__(self, run: str, file: Path = FILE) -> None:
        self.run = run
        self.file = file

    def point(self, block: int, arm: str, workload: str, done: int, points: int, left: float) -> None:
        """Say what is measured from now on, and how far the run is."""
        if not self.file.parent.is_dir():
            return
        run = f'run="{self.run}"'
        lines = [
            ("point", f'{run},block="{block}",arm="{arm}",workload="{workload}"', "1"),
            ("points", run, str(points)),
            ("points_done", run, str(done)),
            ("left_seconds", run, f"{left:.0f}"),
        ]
        text = "".join(
            f"# TYPE disgrafs_benchmark_{name} gauge\ndisgrafs_benchmark_{name}{{{labels}}} {value}\n"
            for name, labels, value in lines
        )
        # In one step, and with a name that the exporter does not read: it must never see half of it.
        new = self.file.with_name(f".{self.file.name}.new")
        new.write_text(text)
        new.chmod(0o644)
        os.replace(new, self.file)  # noqa: PTH105

    def end(self) -> None:
        """Nothing is measured any more."""
        self.file.unlink(missing_ok=True)
