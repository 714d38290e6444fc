"""The volume's mount on this node, and the check that it is mounted.

All access goes through a descriptor of the root: if the mount disappears, that gives errors and not the empty folder
below it, which would look as if all files had been deleted.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from disgrafs.graph.model import ROOT


class NotMountedError(OSError):
    """There is no JuiceFS volume at the mount point, or its daemon is gone."""


class Mount:
    """An open root of a volume. Close it after use, because it prevents unmounting."""

    def __init__(self, point: str) -> None:
        self.point = point
        if not is_juicefs(point):
            raise NotMountedError(f"no JuiceFS volume is mounted at {point}")
        try:
            self.descriptor = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise NotMountedError(f"the volume at {point} does not answer: {error.strerror}") from error
        if os.fstat(self.descriptor).st_ino != ROOT:
            os.close(self.descriptor)
            raise NotMountedError(f"{point} is not the root of a volume")

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """Opens a path below the root; "" is the root. Never follows a final link, never blocks on a pipe."""
        return os.open(path or ".", flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def is_juicefs(point: str) -> bool:
    """Whether a JuiceFS volume is mounted exactly there."""
    escaped = point.replace("\\", r"\134").replace(" ", r"\040").replace("\t", r"\011").replace("\n", r"\012")
    kinds = [
        line.split(" - ")[1].split()[0]
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        if line.split()[4] == escaped
    ]
    return bool(kinds) and kinds[-1] == "fuse.juicefs"
