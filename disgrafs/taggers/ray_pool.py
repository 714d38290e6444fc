"""Taggers as Ray actors, some on each node that has the volume mounted."""

import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from disgrafs.graph.model import Work
from disgrafs.mount import NotMountedError
from disgrafs.taggers.pool import Call
from disgrafs.taggers.read import SLOWNESS, Outcome, tag_files
from disgrafs.taggers.table import LONGEST_SECONDS

GRACE_SECONDS = 30
START_SECONDS = 120
PAUSE_AFTER_DEATH = 1.0
PAUSE_WITHOUT_MOUNT = 5.0

log = logging.getLogger(__name__)


class TaggerActor:
    """One process that tags files, one call at a time."""

    def __init__(self, mount_point: str) -> None:
        self._mount_point = mount_point

    def ready(self) -> int:
        """Its process id."""
        return os.getpid()

    def tag(self, items: list[Work]) -> list[Outcome]:
        """Tags some files."""
        return tag_files(self._mount_point, items)


# It reserves no CPU in Ray, so that taggers never prevent other tasks from starting.
_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 1}
_Actor: Any = ray.remote(**_OPTIONS)(TaggerActor)


@dataclass(frozen=True, slots=True)
class _Asked:
    reference: Any
    items: tuple[Work, ...]
    """Empty while the actor starts."""
    seconds: float
    """Time limit."""


@dataclass(slots=True)
class _Slot:
    node: str
    actor: Any
    calls: deque[_Asked] = field(default_factory=deque)
    """The actor runs the first one; another may wait."""
    deadline: float = 0.0
    starting: bool = True

    def ask(self, reference: Any, items: Sequence[Work], seconds: float) -> None:
        self.calls.append(_Asked(reference, tuple(items), seconds))
        if len(self.calls) == 1:
            self.deadline = time.monotonic() + seconds

    def next(self) -> _Asked:
        done = self.calls.popleft()
        if self.calls:
            self.deadline = time.monotonic() + self.calls[0].seconds
        return done


class RayPool:
    """A fixed number of actors on each node."""

    def __init__(self, mount_point: str, on_each: int) -> None:
        self._mount_point = mount_point
        self._on_each = on_each
        self._slots: list[_Slot] = []
        self._lost: list[Call] = []
        self._not_before: dict[str, float] = {}

    def maintain(self) -> None:
        """Starts missing actors on living nodes with a mount, and ends those that take too long."""
        now = time.monotonic()
        for slot in [slot for slot in self._slots if slot.calls and now > slot.deadline]:
            ray.kill(slot.actor)
            self._drop(slot, f"it took longer than {slot.calls[0].seconds:.0f} s and was ended")
        for node in self._nodes():
            have = sum(slot.node == node for slot in self._slots)
            if have < self._on_each and now >= self._not_before.get(node, 0.0):
                self._slots += [self._start(node) for _ in range(self._on_each - have)]

    def size(self) -> int:
        """Number of started actors."""
        return sum(not slot.starting for slot in self._slots)

    def idle(self) -> int:
        """Number of ready, idle actors."""
        return sum(not slot.calls for slot in self._slots)

    def room(self) -> int:
        """Number of actors with one call."""
        return sum(len(slot.calls) == 1 and not slot.starting for slot in self._slots)

    def give(self, items: Sequence[Work]) -> None:
        """Passes files to an idle actor, on the node that has been idle for longest, or to one with one call."""
        slot = min((slot for slot in self._slots if not slot.starting), key=lambda slot: len(slot.calls))
        self._slots.remove(slot)
        self._slots.append(slot)
        reference = slot.actor.tag.remote(list(items))
        slot.ask(reference, items, SLOWNESS * LONGEST_SECONDS * len(items) + GRACE_SECONDS)

    def busy(self) -> bool:
        """Whether any actor has files."""
        return bool(self._lost) or any(slot.calls and not slot.starting for slot in self._slots)

    def back(self, wait: float) -> list[Call]:
        """Finished calls."""
        calls, self._lost = self._lost, []
        waiting = {slot.calls[0].reference: slot for slot in self._slots if slot.calls}
        if waiting:
            ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0.0)
            if not ready and not calls:
                ready, _ = ray.wait(list(waiting), num_returns=1, timeout=wait)
            for reference in ready:
                self._take(waiting[reference])
            calls, self._lost = calls + self._lost, []
        return calls

    def _take(self, slot: _Slot) -> None:
        try:
            result = ray.get(slot.calls[0].reference)
        except ray.exceptions.RayTaskError as error:
            missing = isinstance(error.cause, NotMountedError)
            self._drop(slot, str(error.cause), blameless=missing, pause=PAUSE_WITHOUT_MOUNT if missing else None)
            ray.kill(slot.actor)
            return
        except ray.exceptions.RayError as error:
            gone = slot.node not in self._nodes()
            self._drop(slot, f"its reader ended: {str(error).splitlines()[0][:200]}", blameless=gone or slot.starting)
            return
        done = slot.next()
        if slot.starting:
            slot.starting = False
        else:
            self._lost.append(Call(done.items, tuple(result)))

    def _drop(self, slot: _Slot, reason: str, *, blameless: bool = False, pause: float | None = None) -> None:
        self._slots.remove(slot)
        self._not_before[slot.node] = time.monotonic() + (pause or PAUSE_AFTER_DEATH)
        for number, call in enumerate(slot.calls):
            if call.items:
                # The tagger had not begun with the files of a later call.
                self._lost.append(Call(call.items, None, reason, blameless or number > 0))

    def _start(self, node: str) -> _Slot:
        actor = _Actor.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            runtime_env={"env_vars": _environment()},
        ).remote(self._mount_point)
        slot = _Slot(node, actor)
        slot.ask(actor.ready.remote(), (), SLOWNESS * START_SECONDS)
        return slot

    @staticmethod
    def _nodes() -> set[str]:
        return {
            node["NodeID"]
            for node in ray.nodes()
            if node["Alive"] and any(name.startswith("client_") for name in node["Resources"])
        }


def _environment() -> dict[str, str]:
    """Environment with which an actor finds this package on any node."""
    names = ("DISGRAFS_SLOWNESS", "DISGRAFS_MODELS")
    return {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        # One actor works on one core: libraries must not start a thread for each core.
        "OMP_NUM_THREADS": "1",
        **{name: os.environ[name] for name in names if name in os.environ},
    }
