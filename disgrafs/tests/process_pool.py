"""Taggers as local processes in place of Ray actors, which can really be killed."""

import multiprocessing
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from types import TracebackType
from typing import Self

from disgrafs.graph.model import Work
from disgrafs.taggers.pool import Call
from disgrafs.taggers.read import Outcome, tag_file
from disgrafs.tests.folder import Folder


def _serve(folder: Path, pipe: "Connection[list[Outcome], list[Work]]") -> None:
    while True:
        items = pipe.recv()
        with Folder(folder) as mount:
            pipe.send([tag_file(mount, work) for work in items])


class ProcessPool:
    """One process, started anew whenever it dies or takes too long."""

    def __init__(self, folder: Path, seconds: float = 60.0) -> None:
        self._folder = folder
        self._seconds = seconds
        self._given: deque[tuple[Work, ...]] = deque()
        self._deadline = 0.0
        self.calls: list[tuple[int, ...]] = []
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(self._folder, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def maintain(self) -> None:
        if self._given and time.monotonic() > self._deadline:
            self.process.kill()

    def size(self) -> int:
        return 1

    def idle(self) -> int:
        return int(not self._given)

    def room(self) -> int:
        return int(len(self._given) == 1)

    def give(self, items: Sequence[Work]) -> None:
        self._given.append(tuple(items))
        self.calls.append(tuple(work.inode for work in items))
        self._deadline = time.monotonic() + self._seconds
        # To a dead one, as to an actor of Ray: `back` tells.
        with suppress(BrokenPipeError):
            self._pipe.send(list(items))

    def busy(self) -> bool:
        return bool(self._given)

    def back(self, wait: float) -> list[Call]:
        self.maintain()
        if not self._given or not wait_for([self._pipe], wait):
            return []
        try:
            outcomes = self._pipe.recv()
            return [Call(self._given.popleft(), tuple(outcomes))]
        except (EOFError, ConnectionError):
            # Its end of the pipe is closed; whatever keeps it from ending is not waited for.
            self.process.kill()
            self.process.join(30)
            lost = [
                Call(items, None, "its reader ended", blameless=number > 0) for number, items in enumerate(self._given)
            ]
            self._given.clear()
            self._start()
            return lost

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.join(30)
