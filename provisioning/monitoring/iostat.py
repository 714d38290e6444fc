#!/usr/bin/env python3
"""Writes iostat's output as Prometheus metrics to a text file of the node exporter, once a second.

Usage: iostat.py FILE [SECONDS]

Each field of `iostat -dxck -o JSON` becomes a gauge in base units (seconds, bytes, ratios), with the device as a label. A
field that iostat does not print is absent, not 0. The file is replaced atomically, and removed at the end.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

PREFIX = "disgrafs_iostat_"
KIBI = 1024.0
PERCENT = 0.01
MILLI = 0.001

# iostat's name -> name of the metric, and the factor for its value.
DISK: dict[str, tuple[str, float]] = {
    "r/s": ("reads_per_second", 1),
    "w/s": ("writes_per_second", 1),
    "d/s": ("discards_per_second", 1),
    "f/s": ("flushes_per_second", 1),
    "rkB/s": ("read_bytes_per_second", KIBI),
    "wkB/s": ("written_bytes_per_second", KIBI),
    "dkB/s": ("discarded_bytes_per_second", KIBI),
    "rrqm/s": ("reads_merged_per_second", 1),
    "wrqm/s": ("writes_merged_per_second", 1),
    "drqm/s": ("discards_merged_per_second", 1),
    "rrqm": ("reads_merged_ratio", PERCENT),
    "wrqm": ("writes_merged_ratio", PERCENT),
    "drqm": ("discards_merged_ratio", PERCENT),
    "r_await": ("read_await_seconds", MILLI),
    "w_await": ("write_await_seconds", MILLI),
    "d_await": ("discard_await_seconds", MILLI),
    "f_await": ("flush_await_seconds", MILLI),
    "rareq-sz": ("read_size_bytes", KIBI),
    "wareq-sz": ("write_size_bytes", KIBI),
    "dareq-sz": ("discard_size_bytes", KIBI),
    "aqu-sz": ("queue_length", 1),
    "util": ("utilization_ratio", PERCENT),
}
CPU = {name: (f"cpu_{name}_ratio", PERCENT) for name in ("user", "nice", "system", "iowait", "steal", "idle")}


def reports(stream: IO[str]) -> Iterator[dict[str, Any]]:
    """Yields the elements of iostat's `statistics` array, each as soon as it is complete."""
    decoder = json.JSONDecoder()
    text = ""
    begun = False
    for line in stream:
        text += line
        if not begun:
            _, found, rest = text.partition('"statistics": [')
            if not found:
                continue
            begun, text = True, rest
        text = text.lstrip(" \t\r\n,")
        if not text.startswith("{"):
            continue
        try:
            report, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            continue  # Not complete yet.
        text = text[end:]
        yield report


def metrics(report: dict[str, Any]) -> str:
    """Formats a report in Prometheus' text format."""
    samples: dict[str, list[str]] = {}

    def add(table: dict[str, tuple[str, float]], fields: dict[str, Any], label: str) -> None:
        for field, value in fields.items():
            if field in table and isinstance(value, int | float):
                name, factor = table[field]
                samples.setdefault(PREFIX + name, []).append(f"{PREFIX}{name}{label} {value * factor:.10g}")

    add(CPU, report.get("avg-cpu", {}), "")
    for disk in report.get("disk", []):
        device = str(disk["disk_device"]).replace("\\", "\\\\").replace('"', '\\"')
        add(DISK, disk, f'{{device="{device}"}}')
    return "".join(f"# TYPE {name} gauge\n" + "".join(f"{line}\n" for line in lines) for name, lines in samples.items())


def write(file: Path, text: str) -> None:
    """Replaces the file atomically: the exporter must never read half of it."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.chmod(0o644)
    os.replace(beside, file)


def main() -> int:
    file = Path(sys.argv[1])
    seconds = sys.argv[2] if len(sys.argv) > 2 else "1"
    command = ["iostat", "-dxck", "-o", "JSON", seconds]
    environment = {**os.environ, "LC_ALL": "C", "S_TIME_FORMAT": "ISO"}
    environment.pop("POSIXLY_CORRECT", None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as iostat:
        # SIGINT, because at SIGTERM iostat stops in the middle of its JSON.
        signal.signal(signal.SIGTERM, lambda *_: iostat.send_signal(signal.SIGINT))
        signal.signal(signal.SIGINT, lambda *_: None)
        assert iostat.stdout is not None
        try:
            for number, report in enumerate(reports(iostat.stdout)):
                # The first report is the mean since boot.
                if number > 0:
                    write(file, metrics(report))
        finally:
            file.unlink(missing_ok=True)
    return iostat.returncode


if __name__ == "__main__":
    sys.exit(main())
