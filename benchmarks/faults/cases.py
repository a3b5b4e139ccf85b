"""Faults other than a kill: what does a search say, is a score lost or made twice, and does the same command go on?

    python -m benchmarks.faults.cases                        # every case without a row, about 25 minutes on 2 cores
    python -m benchmarks.faults.cases --only clock-set-back

Each case is a search of its own, with two workers: by formula (`benchmarks/faults/driver.py`), or a real one with short
trainings. Its folder of results and its cache folder are file systems of their own, in a private mount namespace
(`unshare --mount`), so that they can be filled and made read-only while it runs. Then the fault is taken away, and the
same command is run until it ends. `clock-set-back` needs a C compiler.

A row says how the search ended: its `exit` code (-9 where it was killed as it took too long), the seconds from the
fault (`ended_s`), and its last line (`said`). Of the scores that were `stored` by then, `lost` are those that are gone
or changed after the second command, `doubled` those that were made again. `complete` is 1 where the search then ended
as it would have without the fault.
"""

import argparse
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psutil

from benchmarks.common.rows import Rows
from benchmarks.faults.outcome import calls, stored
from benchmarks.faults.searches import Ended, Kind, Search
from benchmarks.faults.surroundings import Clock, file_system, full, own_mounts, read_only
from nas.errors import StudyError

HEADER = ("fault", "search", "exit", "ended_s", "stored", "lost", "doubled", "exit_after", "complete", "said")
FOLDER = Path("results/reference/faults")
GRACE_S = 10.0
DAY_S = 86_400
MORE_BYTES = 5 * 2**30
"""What a worker may take beyond what the machine uses now; whatever runs beside the benchmark takes less."""

Fault = Callable[[Search], Ended]
Prevented = Callable[[Path], AbstractContextManager[None]]


def from_the_beginning(which: str, prevented: Prevented) -> Fault:
    """A file system, `out` or `cache`, cannot be written when a search begins."""

    def fault(search: Search) -> Ended:
        with prevented(getattr(search, which)):
            return search.begin().ended()

    return fault


def while_it_runs(which: str, prevented: Prevented, scores: int = 3) -> Fault:
    """A file system, `out` or `cache`, cannot be written from a moment on."""

    def fault(search: Search) -> Ended:
        run = search.begin()
        run.until(scores)
        with prevented(getattr(search, which)):
            return run.ended()

    return fault


def clock_set_back(search: Search) -> Ended:
    """The time of day of every process of a search is a day earlier from a moment on, also in the second command."""
    clock = Clock(search.place)
    search.variables = clock.variables
    run = search.begin()
    run.until(3)
    clock.set(-DAY_S)
    return run.ended()


def two_drivers(search: Search) -> Ended:
    """A second driver begins in the folder of a running search; how that one ends, where the first is not disturbed."""
    first = search.begin()
    first.until(3)
    second = search.begin().ended()
    code = first.ended().code
    return second if code == 0 else Ended(code, second.seconds, f"the first driver: {first.said()}")


def copied(search: Search) -> Ended:
    """A results folder is copied again and again while its search runs; one of the copies goes on."""
    copies: list[Path] = []
    run = search.begin()
    run.until(1)
    since = time.monotonic()
    while run.process.poll() is None:
        copies.append(search.out / f"copy-{len(copies)}")
        # It complains of a file that is gone when its turn comes, such as SQLite's journal, and copies the rest.
        subprocess.run(["cp", "--recursive", search.folder, copies[-1]], check=False, stderr=subprocess.DEVNULL)
        time.sleep(0.1)
    broken = sum(not _opens(copy) for copy in copies)
    search.folder, search.seen = copies[len(copies) // 2], {}
    said = f"{len(copies)} copies, of which {broken} do not open"
    return Ended(run.process.wait(), time.monotonic() - since, said)


def _opens(folder: Path) -> bool:
    try:
        return bool(stored(folder))
    except StudyError:
        return False


def worker_out_of_memory(search: Search) -> Ended:
    """One trial takes more memory than there is, and Ray's monitor kills its worker."""
    memory = psutil.virtual_memory()
    search.options = ["--hungry"]
    search.variables = {"RAY_memory_usage_threshold": f"{(memory.used + MORE_BYTES) / memory.total:.3f}"}
    return search.begin().ended()


def terminated(scores: int) -> Fault:
    """A job scheduler's SIGTERM once so many scores are stored, and SIGKILL ten seconds later."""

    def fault(search: Search) -> Ended:
        run = search.begin()
        run.until(scores)
        run.process.send_signal(signal.SIGTERM)
        return run.ended(GRACE_S)

    return fault


CASES: dict[str, tuple[Kind, Fault]] = {
    "results-full": ("real", while_it_runs("out", full, 1)),
    "database-full": ("formula", while_it_runs("out", full)),
    "cache-full-from-the-beginning": ("real", from_the_beginning("cache", full)),
    "cache-full": ("formula", while_it_runs("cache", full)),
    "results-read-only-from-the-beginning": ("real", from_the_beginning("out", read_only)),
    "results-read-only": ("formula", while_it_runs("out", read_only)),
    "cache-read-only-from-the-beginning": ("real", from_the_beginning("cache", read_only)),
    "cache-read-only": ("formula", while_it_runs("cache", read_only)),
    "clock-set-back": ("formula", clock_set_back),
    "two-drivers": ("formula", two_drivers),
    "copied-while-it-runs": ("formula", copied),
    "worker-out-of-memory": ("formula", worker_out_of_memory),
    "sigterm": ("formula", terminated(3)),
    "sigterm-real": ("real", terminated(1)),
}


def row(name: str) -> dict[str, object]:
    """One case from start to end."""
    kind, fault = CASES[name]
    with tempfile.TemporaryDirectory() as place, ExitStack() as mounts:
        search = Search(Path(place), kind)
        for one in (search.out, search.cache):
            mounts.enter_context(file_system(one))
        ended = fault(search)
        search.look()
        begun = len(calls(search.folder))
        after = search.begin().ended()
        now = stored(search.folder)
        return {
            "fault": name,
            "search": kind,
            "exit": ended.code,
            "ended_s": f"{ended.seconds:.1f}",
            "stored": len(search.seen),
            "lost": sum(now.get(what) != score for what, score in search.seen.items()),
            "doubled": search.doubled(begun),
            "exit_after": after.code,
            "complete": int(search.complete()),
            "said": ended.said,
        }


def main() -> None:
    """Carry out every case that has no row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=list(CASES))
    options, rows = Rows.asked_for(parser, FOLDER / "cases.csv", HEADER, "cases")
    own_mounts()
    done = {one["fault"] for one in rows.all()}
    for name in [one for one in options.only if one not in done][: options.at_most if options.at_most > 0 else None]:
        found = row(name)
        rows.add(found)
        print(" ".join(f"{key}={value}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
