# SPDX-License-Identifier: GPL-2.0
"""The benchmark's arms on one client, for the scripts that count their costs in instructions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import volume as v
from volume import NOCACHE, Agent, cache_times


class Arm(NamedTuple):
    """How an arm mounts the volume, and how it starts the agent; None: without one."""

    options: list[str]
    query: str = ""
    agent: dict[str, Any] | None = None


ONE, LONG = cache_times(1), cache_times(300)
KEEP, READS, AFTER_PAGES = ["--kernel-cache", "on"], ["--reads", "cache"], ["--reads", "after-pages"]
ARMS = {
    "ttl": Arm(ONE),
    "nocache": Arm(NOCACHE),
    "ttl-long": Arm(LONG),
    "client-cache": Arm(ONE, "?client-cache=true"),
    # The alternative to a lease if no staleness of a second is acceptable.
    "client-cache-nocache": Arm(NOCACHE, "?client-cache=true"),
    "fuse-off": Arm(ONE, agent={"mode": "off"}),
    "fuse-notify": Arm(LONG, agent={"extra": ["--sink", "notify"]}),
    "fuse-ttl": Arm(ONE, agent={"mode": "ttl"}),
    "fuse-lease": Arm(NOCACHE, agent={}),
    "fuse-lease-keep": Arm(NOCACHE, agent={"extra": KEEP}),
    "fuse-read": Arm(ONE, agent={"extra": AFTER_PAGES}),
    "fuse-lease-read": Arm(NOCACHE, agent={"extra": READS}),
    "fuse-lease-keep-read": Arm(NOCACHE, agent={"extra": KEEP + AFTER_PAGES}),
}


@contextmanager
def mounted(name: str, cache: str = "") -> Iterator[Agent | None]:
    """The first mount in an arm's state, and its agent; JuiceFS's own work in the background is off."""
    arm = ARMS[name]
    v.mount(0, [*arm.options, "--no-bgjob", "--backup-meta", "0"], v.META + arm.query, cache)
    agent = Agent(0, **arm.agent) if arm.agent is not None else None
    yield agent
    if agent:
        agent.stop()
    v.umount(0)
