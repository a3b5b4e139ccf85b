"""Kill -9 at random moments: is a finished training lost, or repeated, and does the search end as it would have?

    python -m benchmarks.faults.kills                     # 50 kills, about 25 minutes on 2 cores
    python -m benchmarks.faults.kills --kills 6 --who driver worker

Searches by formula with real Ray and two workers (`benchmarks/faults/driver.py`). Each is killed at a random moment,
its driver, a worker or the raylet in turn, and begun again until it ends by itself; then the next search begins.
`lost` are stored scores that are gone or changed after a kill. `doubled` are trainings that began again after their
score was stored. `complete` are searches that ended with their budget, full rungs, and each design's own score. A row
is appended for each kill.
"""

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.common.rows import Rows
from benchmarks.faults.outcome import calls, complete, stored

HEADER = ("search", "kill", "who", "after_s", "stored", "lost", "doubled", "exit", "complete")
FOLDER = Path("results/reference/faults")
BUDGET = 16
LONGEST_S = 180.0
LATEST_S = 6.0
"""A kill comes within so many seconds of the first training of a run."""
_MARKS = {"worker": "ray::ResourceTrainable", "raylet": "raylet/raylet"}
"""What the command line of a process holds that is killed; the driver is known."""


def begin(folder: Path) -> "subprocess.Popen[bytes]":
    """Start a driver, or go on."""
    command = [sys.executable, "-m", "benchmarks.faults.driver", str(folder), "--budget", str(BUDGET)]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def kill(driver: "subprocess.Popen[bytes]", who: str, rng: random.Random) -> bool:
    """Kill one process of a search; False where there is none of the kind."""
    if who == "driver":
        driver.kill()
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(driver.pid).children(recursive=True)
        some = [one for one in family if _MARKS[who] in " ".join(one.cmdline())]
        if some:
            rng.choice(some).kill()
            return True
    return False


def ended(driver: "subprocess.Popen[bytes]", within_s: float) -> int | None:
    """The exit code; None where it goes on."""
    try:
        return driver.wait(within_s)
    except subprocess.TimeoutExpired:
        return None


def ended_soon(driver: "subprocess.Popen[bytes]", folder: Path, begun: int, after_s: float) -> int | None:
    """Wait until a search trains again, and so long more; its exit code where it ends before."""
    until = time.monotonic() + LONGEST_S
    while len(calls(folder)) == begun and time.monotonic() < until:
        if (code := ended(driver, 0.1)) is not None:
            return code
    return ended(driver, after_s)


def log_of(folder: Path) -> str:
    """The last lines that a search wrote."""
    return "\n".join((folder / "log.txt").read_text(errors="replace").splitlines()[-5:])


def main() -> None:
    """Kill, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--who", nargs="+", default=["driver", "worker", "raylet"], choices=["driver", *_MARKS])
    parser.add_argument("--seed", type=int, default=0)
    options, rows = Rows.asked_for(parser, FOLDER / "kills.csv", HEADER, "kills")
    while len(rows.all()) < options.kills:
        one_search(rows, options)
    found = rows.all()
    print(json.dumps({name: sum(int(row[name] or 0) for row in found) for name in ("lost", "doubled")}))


def one_search(rows: Rows, options: argparse.Namespace) -> None:
    """One search from start to end, with a kill in each of its runs as long as kills are left."""
    before = rows.all()
    search = 1 + max((int(row["search"]) for row in before), default=-1)
    rng = random.Random(f"{options.seed}/{search}")
    with tempfile.TemporaryDirectory() as name:
        folder, done = Path(name), len(before)
        while True:
            seen, begun = stored(folder), len(calls(folder))
            driver, started = begin(folder), time.monotonic()
            who = options.who[done % len(options.who)] if done < options.kills else "nobody"
            after_s = rng.uniform(0.0, LATEST_S)
            code = None if who == "nobody" else ended_soon(driver, folder, begun, after_s)
            killed = code is None and who != "nobody" and kill(driver, who, rng)
            code = ended(driver, LONGEST_S) if code is None else code
            if code is None:
                driver.kill()
                raise SystemExit(f"the search hangs after {time.monotonic() - started:.0f} s:\n{log_of(folder)}")
            if code not in (0, -signal.SIGKILL):
                print(log_of(folder), flush=True)
            now = stored(folder)
            row = {
                "search": search,
                "kill": done,
                "who": who if killed else "nobody",
                "after_s": f"{after_s:.1f}",
                "stored": len(now),
                "lost": sum(now.get(what) != score for what, score in seen.items()),
                "doubled": sum(what in seen for what in calls(folder)[begun:]),
                "exit": code,
                "complete": "",
            }
            if code == 0:
                row["complete"] = int(complete(folder, BUDGET))
            if killed or row["lost"] or row["doubled"] or code == 0:
                rows.add(row)
                print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
                done += killed
            if code == 0:
                return


if __name__ == "__main__":
    main()
