"""What is killed with -9 in a search by formula, one file of `kills.py`."""

import contextlib
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.common.postgres_server import PostgresServer
from benchmarks.common.ssh_server import Server
from benchmarks.faults.outcome import calls

DOWN_S = (1.0, 8.0)
"""A killed database is away for a time between these."""

_WORKER, _RAYLET = "ray::ResourceTrainable", "raylet/raylet"
_RAYS_OWN = ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "gcs/gcs_server", "log_monitor.py", "dashboard.py")
"""What the command lines of Ray's processes hold."""


@dataclass(frozen=True, slots=True)
class Search:
    """A running search and what it uses.

    Attributes:
        folder: Results folder.
        begun: How much had begun in it before this run.
        driver: Its driver.
        database: The server that its study may be in.
        device: The ssh server of the device that it may measure on.
    """

    folder: Path
    begun: int
    driver: psutil.Process
    database: PostgresServer | None
    device: Server | None


Kill = Callable[[Search, random.Random], str | None]
"""Kills something of a search and says what; None where there is none of the kind."""


def driver(search: Search, rng: random.Random) -> str | None:
    """The process that decides and stores."""
    return _killed([search.driver], rng)


def worker(search: Search, rng: random.Random) -> str | None:
    """A process that trains."""
    return _killed(_family(search, _WORKER), rng)


def raylet(search: Search, rng: random.Random) -> str | None:
    """The parent of the workers."""
    return _killed(_family(search, _RAYLET), rng)


def ray_agent(search: Search, rng: random.Random) -> str | None:
    """Another process of Ray's own."""
    return _killed(_family(search, rng.choice(_RAYS_OWN)), rng)


def postgres(search: Search, rng: random.Random) -> str | None:
    """The first or every process of the database, which is started again some seconds later."""
    if search.database is None:
        return None
    every, down_s = rng.random() < 0.5, rng.uniform(*DOWN_S)
    search.database.stop(signal.SIGKILL, every_process=every)
    time.sleep(down_s)
    search.database.start()
    return f"{'every process' if every else 'the postmaster'} for {down_s:.1f} s"


def agent(search: Search, rng: random.Random) -> str | None:
    """A device agent, or the connections to all of them, while a design is measured there."""
    if search.device is None or not _until_it_measures(search):
        return None
    if rng.random() < 0.5:
        search.device.drop_connections()
        return "the connections"
    return "an agent" if _killed(search.device.agents(), rng) else None


KINDS: Mapping[str, Kill] = {
    "driver": driver,
    "worker": worker,
    "raylet": raylet,
    "ray-agent": ray_agent,
    "postgres": postgres,
    "agent": agent,
}


def end(search: Search) -> None:
    """Kill a search that hangs, with all of its processes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [*search.driver.children(recursive=True), search.driver]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def _family(search: Search, mark: str) -> list[psutil.Process]:
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in search.driver.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if mark in " ".join(one.cmdline()):
                    found.append(one)
    return found


def _killed(some: Sequence[psutil.Process], rng: random.Random) -> str | None:
    """Kill one of some processes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if some:
            one = rng.choice(list(some))
            name = _name(one)
            one.kill()
            return name
    return None


def _name(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    return next((mark for mark in (_WORKER, _RAYLET, *_RAYS_OWN) if mark in words), "the driver")


def _until_it_measures(search: Search, within_s: float = 20.0) -> bool:
    """Wait until an agent measures a design; False where none does."""
    until = time.monotonic() + within_s
    while time.monotonic() < until and search.driver.is_running() and search.driver.status() != psutil.STATUS_ZOMBIE:
        if search.device is not None and search.device.agents() and measured_now(calls(search.folder)[search.begun :]):
            return True
        time.sleep(0.05)
    return False


def measured_now(begun: Sequence[str]) -> set[str]:
    """The designs whose measurement has begun and whose training has not.

    Args:
        begun: What was begun in this run of the search, in order.
    """
    now: set[str] = set()
    for what in begun:
        verb, _, label = what.partition(" ")
        if verb == "measure":
            now.add(label)
        else:
            now.discard(label)
    return now
