"""Reads JuiceFS's counts of FUSE requests over HTTP, which does not touch the mount."""

import re
from urllib.error import URLError
from urllib.request import urlopen

LINE = re.compile(r"^juicefs_fuse_ops_total\{(.*)\} (\S+)$", re.MULTILINE)


def counts(host: str, port: int, mount_point: str, timeout: float = 60) -> dict[str, int]:
    """Requests since the volume was mounted, by method. RuntimeError if they cannot be read."""
    try:
        with urlopen(f"http://{host}:{port}/metrics", timeout=timeout) as answer:
            text = answer.read().decode()
    except (URLError, OSError) as error:
        raise RuntimeError(f"the metrics of JuiceFS at {host}:{port} cannot be read: {error}") from error
    if f'mp="{mount_point}"' not in text:
        raise RuntimeError(f"the metrics at {host}:{port} are not of a mount at {mount_point}")
    found: dict[str, int] = {}
    for labels, value in LINE.findall(text):
        method = re.search(r'method="([^"]*)"', labels)
        if method and f'mp="{mount_point}"' in labels:
            found[method[1]] = int(float(value))
    return found
