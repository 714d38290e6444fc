"""A plain folder in place of a volume's mount."""

import os
from pathlib import Path

from disgrafs.mount import Mount


class Folder(Mount):
    """Opens files below a folder as a mount does, without asking whether it is JuiceFS."""

    def __init__(self, folder: Path) -> None:
        self.point = str(folder)
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
