"""A process that trains or measures through a machine lock, and writes down when. Started by test_machine_lock.py.

Usage: python machine_lock_actor.py ROLE LOCK LOG STOP. A line of LOG: role, entered, left (CLOCK_MONOTONIC, ns).
"""

import os
import sys
import time
from pathlib import Path

from nas.util.machine_lock import MachineLock


def note(log: Path, role: str, entered: int) -> None:
    with log.open("a") as file:
        file.write(f"{role} {entered} {time.monotonic_ns()}\n")


def main() -> None:
    role, lock, log, stop = sys.argv[1], *map(Path, sys.argv[2:5])
    machine_lock = MachineLock(lock)
    note(log, "ready", 0)
    while not stop.exists():
        if role == "train":
            with machine_lock.training():
                entered = time.monotonic_ns()
                time.sleep(0.01)
                note(log, role, entered)
        elif role == "measure":
            with machine_lock.measuring():
                entered = time.monotonic_ns()
                time.sleep(0.003)
                note(log, role, entered)
            time.sleep(0.001)
        elif role == "hold-measuring":
            with machine_lock.measuring():
                note(log, "held", 0)
                time.sleep(60)
        elif role == "hold-step":
            with machine_lock.training():
                if os.fork() == 0:  # a data loader's worker: it outlives its parent's death by kill -9
                    time.sleep(20)
                    os._exit(0)
                note(log, "held", 0)
                time.sleep(60)


main()
