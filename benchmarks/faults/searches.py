"""A search that meets a fault: one command, begun and gone on with, in file systems of its own."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.faults.outcome import Stored, calls, complete, stored
from nas.study import read_records

Kind = Literal["formula", "real"]

LONGEST_S = 900.0
BUDGET, REAL_BUDGET = 16, 2
_REAL = [
    *("--space", "ghostv2-n", "--imgsz", "64", "--steps", "6", "--target-latency", "50ms", "--target-stat", "p50"),
    *("--sustained", "0.1s", "--sampler", "random", "--finalist-seeds", "1", "--budget", str(REAL_BUDGET)),
]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a search met a fault.

    Attributes:
        code: Its exit code; below zero the signal that killed it.
        seconds: From the fault to its end.
        said: Its last line.
    """

    code: int
    seconds: float
    said: str


class Search:
    """One search, begun and gone on with by the same command.

    Attributes:
        out: Folder of results, a file system of its own.
        cache: Cache folder, a file system of its own.
        folder: The results folder.
        variables: More environment variables.
        options: More of the command.
        seen: Scores that were seen in the study.
    """

    def __init__(self, place: Path, kind: Kind) -> None:
        """Prepare it in an empty folder."""
        self.place, self._kind = place, kind
        self.out, self.cache = place / "results", place / "cache"
        self.folder = self.out / "search"
        self.variables: dict[str, str] = {}
        self.options: list[str] = []
        self.seen: Stored = {}
        self._runs = 0

    def begin(self) -> "Run":
        """Start it, or go on."""
        self._runs += 1
        log = self.place / f"run-{self._runs}.txt"
        variables = {**os.environ, "GHOSTNAS_CACHE": str(self.cache), **self.variables}
        with log.open("wb") as file:
            return Run(self, subprocess.Popen(self._command(), stdout=file, stderr=file, env=variables), log)

    def _command(self) -> list[str]:
        if self._kind == "formula":
            driver = ["-m", "benchmarks.faults.driver", str(self.folder), "--budget", str(BUDGET)]
            return [sys.executable, *driver, *self.options]
        named = ["--out", str(self.out), "--name", self.folder.name, "--workers", "2"]
        return [sys.executable, "-m", "nas", "search", *named, *_REAL, *self.options]

    def look(self) -> Stored:
        """Every stored score; what was seen once stays seen."""
        now = stored(self.folder)
        self.seen = {**now, **self.seen}
        return now

    def doubled(self, begun: int) -> int:
        """Scores that had been seen before a run and were made again in it, and designs that are stored twice.

        Args:
            begun: Trainings that had begun before the run.
        """
        keys = [one.key for one in read_records(self.folder)[1] if one.evaluation is not None]
        return sum(what in self.seen for what in calls(self.folder)[begun:]) + len(keys) - len(set(keys))

    def complete(self) -> bool:
        """Whether it ended as it should."""
        if self._kind == "formula":
            return complete(self.folder, BUDGET)
        status = [one.status for one in read_records(self.folder)[1]]
        return status.count("trained") == REAL_BUDGET and (self.folder / "report.html").is_file()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a search's command."""

    search: Search
    process: "subprocess.Popen[bytes]"
    log: Path

    def until(self, scores: int) -> None:
        """Wait until so many scores are stored."""
        until = time.monotonic() + LONGEST_S
        while len(self.search.look()) < scores:
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise SystemExit(f"the search stores nothing:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)

    def ended(self, within_s: float = LONGEST_S) -> Ended:
        """Wait for its end; it is killed where it takes longer."""
        since = time.monotonic()
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return Ended(self.process.wait(), time.monotonic() - since, self.said())

    def said(self) -> str:
        """The last line that it wrote, without the place."""
        lines = self.log.read_text(errors="replace").replace(f"{self.search.place}/", "").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "")
