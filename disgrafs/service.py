"""Common parts of the long-running processes: logging, settings from their units, the watchdog, metrics."""

import logging
import os
import socket
import urllib.parse
from pathlib import Path

from prometheus_client import start_http_server


def start(name: str) -> logging.Logger:
    """Starts logging for the journal, which adds the time, and metrics on DISGRAFS_METRICS=HOST:PORT."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    where = os.environ.get("DISGRAFS_METRICS")
    if where:
        host, _, port = where.rpartition(":")
        start_http_server(int(port), host)
    return logging.getLogger(name)


def notify(state: str) -> None:
    """Notifies systemd (READY=1, WATCHDOG=1) if it started this process."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.connect("\0" + path[1:] if path.startswith("@") else path)
            link.send(state.encode())


def metadata_address() -> tuple[str, int, int, str | None]:
    """Host, port, database and password of the volume's Redis, from the same variables as JuiceFS's unit."""
    url = urllib.parse.urlsplit(os.environ["DISGRAFS_META"])
    file = os.environ.get("META_PASSWORD_FILE")
    password = Path(file).read_text(encoding="utf-8").strip() if file else None
    return url.hostname or "127.0.0.1", url.port or 6379, int(url.path.strip("/") or 0), password
