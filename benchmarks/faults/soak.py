"""Does the memory of a search grow with its trials?

    python -m benchmarks.faults.soak                 # 500 trained trials, about 10 minutes on 2 cores

One search by formula with real Ray and two workers, whose trainings take no time. After each trained candidate the
memory of the driver and of the largest worker that is theirs alone (USS) is written, and how many worker processes
there have been. In the end: the memory at candidate 50, when a search has all that it needs, in the end, and the most
since then as a ratio to that at 50.
"""

import argparse
import contextlib
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.common.rows import Rows
from benchmarks.faults.objective import accuracy, evaluate, opened, train_promoted
from nas.search.evaluate import train_again
from nas.search.executors import ray_tune
from nas.search.progress import Progress
from nas.space import load_space
from nas.surrogate import ScoredDesign, posterior_of

WORKERS = 2
WARM = 50
"""Trained candidates after which memory should be flat."""
_TITLES = ("ray::ResourceTrainable", "ray::Worker")
"""What the command line of a worker holds while it trains, and while it waits."""
HEADER = ("trained", "trials", "after_s", "driver_mib", "worker_mib", "workers")
FOLDER = Path("results/reference/faults")


class Sampler:
    """Writes a row of memory each time that a candidate was trained."""

    def __init__(self, rows: Rows) -> None:
        """Write into a file."""
        self._rows, self._driver, self._begun = rows, psutil.Process(), time.monotonic()
        self._workers: set[int] = set()
        self._trained = 0

    def __call__(self, progress: Progress) -> None:
        """Take a sample, where a candidate was trained since the last."""
        if progress.trained == self._trained:
            return
        self._trained = progress.trained
        workers = memory_of_workers(self._driver)
        self._workers |= workers.keys()
        found = {
            "trained": progress.trained,
            "trials": progress.trained + progress.rejected + progress.failed,
            "after_s": f"{time.monotonic() - self._begun:.1f}",
            "driver_mib": f"{mib(self._driver):.2f}",
            "worker_mib": f"{max(workers.values()):.2f}" if workers else "",
            "workers": len(self._workers),
        }
        self._rows.add(found)


def memory_of_workers(driver: psutil.Process) -> dict[int, float]:
    """Memory in MiB of each worker that lives, by process id; Tune ends one that has nothing to do."""
    found = {}
    for one in driver.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(name in " ".join(one.cmdline()) for name in _TITLES):
                found[one.pid] = mib(one)
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
    print(f"{rows.all()[-1]['workers']} worker processes in {rows.all()[-1]['after_s']} s")
    for process in ("driver", "worker"):
        first, last, most = growth(rows.all(), process)
        print(f"{process}: {first:.1f} MiB at {WARM}, {last:.1f} in the end, at most {most:.3f} of that at {WARM}")


def search(folder: Path, budget: int, sampler: Sampler) -> None:
    """The whole search.

    Its designs are drawn at random, which takes no time. At candidate 50 the default sampler has fitted a Gaussian
    process, and loaded all that it takes. Here the first is fitted at half of the budget, so one is fitted before.
    """
    rng, space = random.Random(0), load_space("ghostv2-n")
    designs = [space.decode(space.sample(rng)) for _ in range(WARM)]
    posterior_of([ScoredDesign(one, 1000, 0.1, accuracy(one)) for one in designs])
    study, scheduler, task = opened(folder, budget, WORKERS + 1, on_progress=sampler)
    try:
        ray_tune.run(scheduler, task, evaluate, WORKERS, train_again, train_promoted)
    finally:
        study.close()
    print("ended", scheduler.ended)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
