"""Kill -9 at random moments: is a finished training lost, or repeated, and does the search end as it would have?

    python -m benchmarks.faults.kills                     # 50 kills, about 25 minutes on 2 cores
    python -m benchmarks.faults.kills --kills 6 --who driver worker

Searches by formula with real Ray and two workers (`benchmarks/faults/driver.py`). Each is killed at a random moment
and begun again until it ends by itself; then the next search begins. What has been killed least is killed next
(`benchmarks/faults/victims.py`): the driver, a worker, the raylet, another process of Ray's own, the PostgreSQL server
in which the study lies (started again seconds later), or the agent that measures at the other end of a real ssh
connection. Both servers are the benchmark's own, on loopback.

`lost` are stored scores that are gone or changed after a kill. `doubled` are trainings that began again after their
score was stored, and designs that are stored twice. `complete` are searches that ended with their budget, full rungs,
and each design's own score. A row is appended for each kill, and for the end of each search. Its `exit` is the code
with which the search's command ended, `hangs` where it did not end in time and was killed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.common import postgres_server, ssh_server
from benchmarks.common.rows import Rows
from benchmarks.faults.outcome import Watched, calls, complete
from benchmarks.faults.victims import KINDS, Search, end

HEADER = ("search", "kill", "who", "killed", "after_s", "stored", "lost", "doubled", "exit", "ended_s", "complete")
FOLDER = Path("results/reference/faults")
BUDGET = 16
MEASURED_BUDGET = 8
"""Where each design is measured on a device, which takes a second or two."""
LONGEST_S = 240.0
"""A search that takes longer, from its begin to its first training or from a kill to its end, hangs."""
LATEST_S = 6.0
"""A kill comes within so many seconds of the first training of a run."""
MOST_RUNS = 12
"""A search that did not end after so many is given up."""

HANGS = "hangs"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Servers:
    """What searches may use besides Ray; None where it is not to be killed."""

    database: postgres_server.PostgresServer | None
    device: ssh_server.Server | None


def main() -> None:
    """Kill, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--who", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    options, rows = Rows.asked_for(parser, FOLDER / "kills.csv", HEADER, "kills")
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="ghostnas-sshd-") as keys:
        servers = _servers(stack, options.who, Path(keys))
        while len(_kills(rows)) < options.kills:
            one_search(rows, options, servers)
    found = rows.all()
    counted = {name: sum(int(row[name]) for row in found) for name in ("lost", "doubled")}
    ended = [row for row in found if row["complete"]]
    print(
        json.dumps(
            {
                "kills": len(_kills(rows)),
                **counted,
                "hangs": sum(row["exit"] == HANGS for row in found),
                "complete": f"{sum(row['complete'] == '1' for row in ended)} of {len(ended)}",
            }
        )
    )


def _servers(stack: ExitStack, who: Sequence[str], keys: Path) -> Servers:
    """Start what is to be killed."""
    needed = [server for kind, server in (("postgres", postgres_server), ("agent", ssh_server)) if kind in who]
    if reasons := [why for server in needed if (why := server.missing()) is not None]:
        raise SystemExit("; ".join(reasons))
    database = stack.enter_context(postgres_server.serving()) if "postgres" in who else None
    device = stack.enter_context(ssh_server.serving(keys)) if "agent" in who else None
    os.environ["PGPASSWORD"] = postgres_server.PASSWORD  # of this benchmark and its searches: no URL holds it
    return Servers(database, device)


def one_search(rows: Rows, options: argparse.Namespace, servers: Servers) -> None:
    """One search from start to end, with a kill in each of its runs as long as kills are left."""
    before = rows.all()
    search = 1 + max((int(row["search"]) for row in before), default=-1)
    rng = random.Random(f"{options.seed}/{search}")
    first = next_victim(_kills(rows), options.who)
    database = servers.database if first == "postgres" else None
    device = servers.device if first == "agent" else None
    absent = {"postgres": database is None, "agent": device is None}
    who = [kind for kind in options.who if not absent.get(kind, False)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storage = [] if database is None else ["--storage", database.new_database(password=None)]
        address = [] if device is None else ["--device", device.url(sys.executable)]
        budget = BUDGET if device is None else MEASURED_BUDGET
        command = [str(folder), "--budget", str(budget), *storage, *address]
        watched = Watched(folder)
        for _ in range(MOST_RUNS):
            done = _kills(rows)
            kind = next_victim(done, who) if len(done) < options.kills else NOBODY
            begun, process = len(calls(folder)), begin(folder, command)
            running = Search(folder, begun, psutil.Process(process.pid), database, device)
            lost, doubled, row = watched.lost, watched.doubled, one_run(running, process, kind, rng, watched)
            row |= {
                "search": search,
                "kill": len(done),
                "lost": watched.lost - lost,
                "doubled": watched.doubled - doubled,
            }
            over = row["exit"] == 0
            row["complete"] = int(complete(folder, budget)) if over else ""
            if row["who"] != NOBODY or row["lost"] or row["doubled"] or over or row["exit"] == HANGS:
                rows.add(row)
                print(" ".join(f"{key}={row[key]}" for key in HEADER), flush=True)
            if row["exit"] not in (0, -9):
                print(log_of(folder), flush=True)
            if over:
                return
        rows.add(
            {**row, "kill": len(_kills(rows)), "who": NOBODY, "killed": "", "lost": 0, "doubled": 0, "complete": 0}
        )


def one_run(
    search: Search, process: "subprocess.Popen[bytes]", kind: str, rng: random.Random, watched: Watched
) -> dict[str, object]:
    """One run of a search's command, with a kill or without; its row."""
    after_s = rng.uniform(0.0, LATEST_S)
    code = ended_soon(process, search, after_s) if kind != NOBODY else ended(process, LONGEST_S)
    killed, since = None, time.monotonic()
    if code is None and kind != NOBODY:
        watched.look()
        since = time.monotonic()
        killed = KINDS[kind](search, rng)
        code = ended(process, LONGEST_S)
    if code in (None, HANGS):
        end(search)
        process.wait()
        code = HANGS
    return {
        "who": kind if killed else NOBODY,
        "killed": killed or "",
        "after_s": f"{after_s:.1f}",
        "ended_s": f"{time.monotonic() - since:.1f}",
        "stored": watched.look(),
        "exit": code,
    }


def begin(folder: Path, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a driver, or go on."""
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "benchmarks.faults.driver", *command], stdout=log, stderr=log)


def ended(process: "subprocess.Popen[bytes]", within_s: float) -> int | str | None:
    """The exit code; None where it goes on."""
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        return None


def ended_soon(process: "subprocess.Popen[bytes]", search: Search, after_s: float) -> int | str | None:
    """Wait until a search trains, again, and so long more; its exit code where it ends before."""
    until = time.monotonic() + LONGEST_S
    while len(calls(search.folder)) == search.begun:
        if (code := ended(process, 0.1)) is not None:
            return code
        if time.monotonic() > until:
            return HANGS
    return ended(process, after_s)


def next_victim(kills: Sequence[dict[str, str]], who: Sequence[str]) -> str:
    """The kind that was killed least; the first of those in the order that was asked for.

    Args:
        kills: Rows of the kills so far.
        who: What may be killed.
    """
    times = Counter(row["who"] for row in kills)
    return min(who, key=lambda kind: times[kind])


def log_of(folder: Path) -> str:
    """The last lines that a search wrote."""
    return "\n".join((folder / "log.txt").read_text(errors="replace").splitlines()[-5:])


def _kills(rows: Rows) -> list[dict[str, str]]:
    return [row for row in rows.all() if row["who"] != NOBODY]


if __name__ == "__main__":
    main()
