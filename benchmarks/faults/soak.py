"""Does the memory of a search grow with its trials?

    python -m benchmarks.faults.soak                 # 500 trained trials, about 10 minutes on 2 cores

One search by formula with real Ray and two workers, whose trainings take no time. After each trained candidate the
memory of the driver and of each worker that is theirs alone (USS) is written. In the end: the memory at candidate 50,
when a search has all that it needs, in the end, and the most in between as a ratio to that at 50.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.common.rows import Rows
from benchmarks.faults.objective import evaluate, opened, train_promoted
from nas.search.evaluate import train_again
from nas.search.executors import ray_tune
from nas.search.progress import Progress

WORKERS = 2
WARM = 50
"""Trained candidates after which memory should be flat."""
PROCESSES = ("driver", *(f"worker_{number}" for number in range(1, WORKERS + 1)))
HEADER = ("trained", "trials", "after_s", *(f"{one}_mib" for one in PROCESSES))
FOLDER = Path("results/reference/faults")


class Sampler:
    """Writes a row of memory each time that a candidate was trained."""

    def __init__(self, rows: Rows) -> None:
        """Write into a file."""
        self._rows, self._driver, self._begun = rows, psutil.Process(), time.monotonic()
        self._workers: list[psutil.Process] = []
        self._trained = 0

    def __call__(self, progress: Progress) -> None:
        """Take a sample, where a candidate was trained since the last."""
        if progress.trained == self._trained:
            return
        self._trained = progress.trained
        if len(self._workers) < WORKERS:
            self._workers = sorted(_workers(self._driver), key=lambda one: one.pid)
        found = [mib(one) for one in (self._driver, *self._workers)]
        done = progress.trained + progress.rejected + progress.failed
        after_s = f"{time.monotonic() - self._begun:.1f}"
        memory = [f"{one:.2f}" for one in found]
        self._rows.add(dict(zip(HEADER, [progress.trained, done, after_s, *memory], strict=False)))


def _workers(driver: psutil.Process) -> list[psutil.Process]:
    found = []
    for one in driver.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ray::ResourceTrainable" in " ".join(one.cmdline()):
                found.append(one)
    return found


def mib(process: psutil.Process) -> float:
    """Memory that is a process's alone."""
    return float(process.memory_full_info().uss) / 2**20


def growth(rows: Sequence[dict[str, str]], process: str) -> tuple[float, float, float]:
    """Memory of a process at candidate 50 and in the end in MiB, and the most after 50 as a ratio to that at 50."""
    memory = {int(row["trained"]): float(row[f"{process}_mib"]) for row in rows if row[f"{process}_mib"]}
    later = [some for trained, some in sorted(memory.items()) if trained >= WARM]
    return later[0], later[-1], max(later) / later[0]


def main() -> None:
    """Search, and print what became of the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--csv", type=Path, default=FOLDER / "soak.csv")
    options = parser.parse_args()
    rows = Rows(options.csv, HEADER, fresh=True)
    with tempfile.TemporaryDirectory() as folder:
        search(Path(folder), options.budget, Sampler(rows))
    for process in PROCESSES:
        first, last, most = growth(rows.all(), process)
        print(f"{process}: {first:.1f} MiB at {WARM}, {last:.1f} in the end, at most {most:.3f} of that at {WARM}")


def search(folder: Path, budget: int, sampler: Sampler) -> None:
    """The whole search."""
    study, scheduler, task = opened(folder, budget, WORKERS + 1, sampler)
    try:
        ray_tune.run(scheduler, task, evaluate, WORKERS, train_again, train_promoted)
    finally:
        study.close()
    print("ended", scheduler.ended)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
