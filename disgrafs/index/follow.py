"""Repeats one step: read the log, fold, apply. A failed step changes nothing and is retried."""

import logging
import os
import time
from collections.abc import Callable, Collection

import redis
from prometheus_client import Counter, Gauge

from disgrafs import names
from disgrafs.events.fold import fold
from disgrafs.events.log import LogGapError, LogUnavailableError, VolumeLog
from disgrafs.graph import Graph, GraphUnavailableError
from disgrafs.index.walk import scan_directory, walk
from disgrafs.mount import Mount

BATCH = 500
GATHER_SECONDS = 0.02
"""Seconds to wait after the first change, because more changes usually follow."""
SCAN_AFTER_SECONDS = 1.5
"""A flagged directory is read after this long, because the kernel may use an older listing for a second."""
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)

_entries = Counter("disgrafs_log_entries_total", "Entries of the volume's change log that were processed")
_walks = Counter("disgrafs_walks_total", "Walks of the whole volume", ["reason"])
for _reason in ("gap", "error"):
    _walks.labels(_reason)  # Exported as 0 from the start: without it, the panel would say that DisGraFS is missing.
_scans = Counter("disgrafs_scanned_directories_total", "Directories read because the log lacks their entries")
_behind = Gauge("disgrafs_log_behind_entries", "Entries of the log that are not in the graph yet")


class Follower:
    """Transfers the volume's changes to the graph."""

    def __init__(
        self,
        graph: Graph,
        volume: VolumeLog,
        mount_point: str,
        alive: Callable[[], None],
        excluded: Collection[bytes] = (),
    ) -> None:
        self._graph = graph
        self._volume = volume
        self._mount_point = mount_point
        self._alive = alive
        self._excluded = frozenset(excluded)
        self._cursor: int | None = None
        self._digest = ""
        """Of the log's entry at the cursor."""
        self._ready = False
        self._scan_at: float | None = 0.0
        """Monotonic time at which flagged directories are read; None: none is flagged."""

    def step(self) -> bool:
        """Processes pending work, or waits a while. Returns whether it did something."""
        self._alive()
        try:
            return self._step()
        except LogGapError as gap:
            log.warning("the change log has a gap: %s", gap)
            self._forget("gap")
        except (GraphUnavailableError, LogUnavailableError) as error:
            log.warning("waiting: %s", error)
            self._ready = False
            time.sleep(0.5)
        except OSError as error:
            log.warning("waiting for the mount: %s", error)
            time.sleep(1.0)
        except (ValueError, redis.ResponseError):
            # Part of a transaction may have been applied. A walk repairs that.
            log.exception("changes could not be applied")
            time.sleep(1.0)
            self._forget("error")
        return False

    def _left_out(self) -> str:
        """The excluded names as the graph stores them."""
        return "/".join(sorted(names.stored(os.fsdecode(name)) for name in self._excluded))

    def _forget(self, reason: str) -> None:
        _walks.labels(reason).inc()
        try:
            self._graph.set_cursor(None)
            self._cursor = None
        except GraphUnavailableError:
            self._ready = False

    def _step(self) -> bool:
        if not self._ready:
            self._graph.prepare()
            self._cursor = self._graph.cursor() if self._graph.excluded() == self._left_out() else None
            self._digest = self._graph.cursor_digest()
            self._scan_at = time.monotonic() if self._graph.to_scan() else None
            self._ready = True
        if self._cursor is None:
            self._walk()
            return True
        batch = self._volume.read(self._cursor, BATCH, self._digest)
        if batch:
            changes = fold(batch, self._graph.kinds, self._excluded)
            self._graph.apply(changes, batch[-1].version, time.time(), batch[-1].digest)
            self._cursor, self._digest = batch[-1].version, batch[-1].digest
            _entries.inc(len(batch))
            _behind.set(0 if len(batch) < BATCH else self._volume.last() - self._cursor)
            if changes.scan:
                self._scan_at = time.monotonic() + SCAN_AFTER_SECONDS
            return True
        if self._scan_at is not None and time.monotonic() >= self._scan_at:
            self._scan()
            return True
        self._volume.wait(self._cursor, LOOK_SECONDS)
        time.sleep(GATHER_SECONDS)
        return False

    def _walk(self) -> None:
        started = time.monotonic()
        # From before the walk: changes during the walk are also in the log, and applying them twice does no harm.
        cursor, digest = self._volume.newest()
        with Mount(self._mount_point) as mount:
            directories, removed = walk(self._graph, mount, self._alive, self._excluded)
        self._graph.set_excluded(self._left_out())
        self._graph.set_cursor(cursor, digest)
        self._cursor, self._digest = cursor, digest
        self._scan_at = time.monotonic() + SCAN_AFTER_SECONDS if self._graph.to_scan() else None
        seconds = time.monotonic() - started
        log.info("walked %d directories in %.1f s, removed %d nodes; cursor %d", directories, seconds, removed, cursor)

    def _scan(self) -> None:
        started = time.monotonic()
        flagged = self._graph.to_scan()
        with Mount(self._mount_point) as mount:
            for inode in flagged:
                path = self._graph.path(inode)
                if path is not None:
                    try:
                        # A subdirectory that the graph did not know is flagged in the same transaction.
                        scan_directory(self._graph, mount, inode, path, self._alive, self._excluded)
                    except (FileNotFoundError, NotADirectoryError):
                        # It was moved or removed, as the log will report: it stays flagged, or its node is removed.
                        log.info("a directory to be read is missing now: %s", os.fsencode(path))
                        continue
                self._graph.scanned(inode)
                _scans.inc()
        # Directories flagged during the scan are read after a pause as long as the scan: one restore flags thousands.
        left = bool(self._graph.to_scan())
        self._scan_at = time.monotonic() + max(0.1, time.monotonic() - started) if left else None
