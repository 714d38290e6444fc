"""The API's settings, from its unit: the address, the volume, and the token's file."""

import os
from dataclasses import dataclass
from pathlib import Path

from disgrafs.api.session import read_token
from disgrafs.graph.model import ROOT


@dataclass(frozen=True, slots=True)
class Settings:
    """All of the API's settings."""

    host: str
    port: int
    mount: Path
    """Mount point of the volume on this node."""
    token: str
    vendor: Path
    """Folder with cytoscape.esm.min.mjs, of the version that package.json pins."""
    root: int = ROOT
    """Inode of the mounted volume's root; a folder with another inode means that the mount is gone."""

    @staticmethod
    def from_environment() -> "Settings":
        """From DISGRAFS_LISTEN=HOST:PORT, DISGRAFS_MOUNT, DISGRAFS_TOKEN_FILE and DISGRAFS_VENDOR."""
        host, _, port = os.environ["DISGRAFS_LISTEN"].rpartition(":")
        web = Path(__file__).parent.parent / "web"
        return Settings(
            host=host,
            port=int(port),
            mount=Path(os.environ["DISGRAFS_MOUNT"]),
            token=read_token(Path(os.environ["DISGRAFS_TOKEN_FILE"])),
            vendor=Path(os.environ.get("DISGRAFS_VENDOR", web / "vendor")),
        )
