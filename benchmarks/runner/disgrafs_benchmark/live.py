"""Writes what a run is measuring to a text file for the node exporter, for the lab's charts."""

import os
from pathlib import Path

# place.sh also removes the file, whenever the unit ends.
FILE = Path("/var/lib/prometheus/node-exporter/disgrafs-benchmark.prom")


class Live:
    """Writes the file before each point; does nothing on a node without the node exporter's folder."""

    def __init__(self, run: str, file: Path = FILE) -> None:
        self.run = run
        self.file = file

    def point(self, block: int, arm: str, workload: str, done: int, points: int, left: float) -> None:
        """Write which point is measured from now on, and the progress of the run."""
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
        # Renamed when complete, from a name that the exporter does not read, so that it never reads half a file.
        new = self.file.with_name(f".{self.file.name}.new")
        new.write_text(text)
        new.chmod(0o644)
        os.replace(new, self.file)  # noqa: PTH105

    def end(self) -> None:
        """Remove the file: nothing is being measured."""
        self.file.unlink(missing_ok=True)
