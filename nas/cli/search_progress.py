"""What a user sees of a search: a live line in a terminal, a plain log elsewhere, and a table at the end."""

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nas.cli.columns import Column, Row, show_table
from nas.cli.reading_progress import ReadingProgress
from nas.util.printable import printable

if TYPE_CHECKING:
    from nas.data import DetectionData
    from nas.inherit import Tuned
    from nas.search import Feasibility, Progress
    from nas.study import Outcome, SearchSettings


_IN_THE_REPORT_ONLY = ("GFLOPs", "imgsz")
"""Columns that a terminal of 80 characters has no room for."""


class ConsoleReporter:
    """Shows a search on the console."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._reading = ReadingProgress(self._console)
        self._live: Live | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def reading(self, done: int, of: int) -> None:
        """Show how far the first reading of the pictures is."""
        self._reading(done, of)

    def opened(self, folder: Path, settings: "SearchSettings", data: "DetectionData", done: int) -> None:
        """Say what is searched, on what, and whether it goes on from before."""

        s = settings
        self._say(f"search {printable(folder)}" + (f" (goes on: {done} candidates trained already)" if done else ""))
        self._say(f"  space    {s.space.space}, input sizes {', '.join(map(str, s.space.imgsz))} px")
        if s.space.chosen is not None:
            self._say(f"           chosen for the target: {s.space.chosen}; --space and --imgsz take others")
        pictures = f"{len(data.train)} train, {len(data.select)} select, {len(data.val)} val"
        self._say(f"  data     {printable(s.data.data)}: {s.data.classes} classes, pictures: {pictures}")
        for sentence in data.findings.sentences(s.space.imgsz):
            self._say(f"           {printable(sentence)}")
        self._say(f"  latency  at most {s.limits.target_ms:g} ms; {s.latency.conditions}")
        self._say(
            f"  proxy    {s.proxy.steps} steps of {s.proxy.batch} pictures {printable(s.beginning)} on "
            f"{s.proxy.train_device}, seed {s.proxy.seed}"
        )
        if s.proxy.rungs:
            lengths = " and then ".join(f"{steps:,}" for steps in s.proxy.rungs)
            self._say(f"  rungs    the best are trained again, for {lengths} steps")
        if not done:
            self._say("  device   is calibrated, then the corners of the space are measured: one to two minutes")

    def choosing(self) -> None:
        """Say that the search begins with measurements."""
        self._say("calibrates the device, then measures YOLO11 to choose the input sizes: one to two minutes")

    def tuning(self, done: int, of: int) -> None:
        """Show how far the source's tuning is."""
        if self._console.is_terminal:
            self._update(f"the source is trained on the data: {done} of {of} steps")
        elif done % 100 == 0 or done == of:
            self._say(f"  source   {done} of {of} steps of its training")

    def tuned(self, source: "Tuned") -> None:
        """Say what the candidates inherit from."""
        self._stop()
        self._say(f"  source   {source.sentence}")

    def waiting(self, text: str) -> None:
        """Say why the device is waited for."""
        self._say(printable(text))

    def feasible(self, found: "Feasibility") -> None:
        """Say what the space can do on this device."""
        self._say(f"  reach    the space's corners take {found.fastest_ms:.2f} to {found.slowest_ms:.2f} ms here")

    def estimated(self, seconds: float, budget: int, asked: int, fits: bool) -> None:
        """Say how long it will take, and for how many candidates."""
        if budget < asked:
            why = (
                "which fit into --max-time with their rungs"
                if fits
                else "the fewest; not even they fit into --max-time"
            )
            self._say(f"  planned  {budget} of the {asked} candidates, {why}")
        self._say(f"  estimate about {_minutes(seconds)} for the rest")

    def progress(self, progress: "Progress") -> None:
        """Show the state after a trial."""
        line = progress_line(progress)
        if not self._console.is_terminal:
            self._say(f"[{_minutes(time.monotonic() - self._began)}] {line}{_last(progress)}")
            return
        self._update(line)

    def _update(self, line: str) -> None:
        """Show one line in place of the last."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text(line), refresh=True)

    def interrupted(self) -> None:
        """Say that the search is ending early."""
        self._stop()
        self._say("interrupted: finishing the front so far (Ctrl-C again stops at once; nothing finished is lost)")

    def confirming(self, labels: str) -> None:
        """Say which candidates for the last rung are being measured."""
        self._stop()
        self._say(f"before the last rung, {labels}: latency in fresh processes")

    def finalists(self, labels: str) -> None:
        """Say which finalists are being measured."""
        self._stop()
        self._say(f"finalists {labels}: latency in fresh processes, mAP on val")

    def comparing(self, labels: str) -> None:
        """Say what is compared for the report."""
        self._stop()
        self._say(f"for the report, {labels}: detections in val, AP by class and size, time by stage")

    def concluded(self, outcome: "Outcome") -> None:
        """Show the front against the baselines and what to type next."""
        from nas.results import HTML_FILE, gain_sentence, next_commands, table

        self._stop()
        header, found = table(outcome)
        shown = [index for index, column in enumerate(header) if column not in _IN_THE_REPORT_ONLY]
        rows: list[Row] = [[row[index] for index in shown] for row in found]
        if len(rows) > len(outcome.candidates):
            rows.insert(len(outcome.candidates), ["baselines"])
        last = ", by the longest training" if outcome.standing else ""
        self._say(
            f"\nFront and baselines: mAP50-95 on the selection part (an estimate from all scores){last}, on val, and "
            "latency"
        )
        shape = [Column(header[index], figures=index > 0) for index in shown]
        show_table(self._console, shape, rows, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        self._say("* best.yaml" if outcome.best else "nothing meets the target")
        rejected, drawn = outcome.random_share_rejected()
        if drawn:
            self._say(f"The limits rejected {rejected} of {drawn} random candidates ({100 * rejected / drawn:.0f}%).")
        self._say(gain_sentence(outcome))
        best = ", best.yaml, best.pt" if outcome.best else ""
        self._say(f"Results: {printable(outcome.folder)} (front.csv, front.png, report.md{best})")
        self._say("Next:")
        for command in next_commands(outcome):
            self._say(f"  {command}")
        self._say(f"Report: {printable(outcome.folder / HTML_FILE)}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def _stop(self) -> None:
        self._reading.stop()
        if self._live is not None:
            self._live.stop()
            self._live = None


def progress_line(progress: "Progress") -> str:
    """One line: trained of budget, rejected, failed, best so far, time left."""
    parts = [f"trained {progress.trained}/{progress.budget}", f"rejected {progress.rejected}"]
    if progress.failed:
        parts.append(f"failed {progress.failed}")
    best = progress.best
    if best is not None and best.evaluation is not None and best.evaluation.score is not None:
        found = best.evaluation
        parts.append(
            f"highest {best.evaluation.score.map50_95:.3f} mAP at {found.latency.latency_ms:.2f} ms ({best.label})"
        )
    for rung in progress.rungs:
        parts.append(f"{rung.steps:,} steps {rung.done}/{rung.of}{_and_failed(rung.failed)}")
    if progress.other_seeds is not None and progress.other_seeds.of:
        seeds = progress.other_seeds
        parts.append(f"the best with other seeds {seeds.done}/{seeds.of}{_and_failed(seeds.failed)}")
    if progress.left_s is not None:
        parts.append(f"about {_minutes(progress.left_s)} left")
    return ", ".join(parts)


def _and_failed(failed: int) -> str:
    return f" ({failed} failed)" if failed else ""


def _last(progress: "Progress") -> str:
    last = progress.last
    if last is None:
        return ""
    if last.evaluation is None:
        return f" | {last.label}: failed, {printable(last.reason)}"
    latency, score = last.evaluation.latency.latency_ms, last.evaluation.score
    found = f"{latency:.2f} ms" + (f", {score.map50_95:.3f} mAP" if score else ", rejected")
    if last.evaluation.inherited is not None:
        found += f", {100 * last.evaluation.inherited:.0f}% of its parameters known"
    return f" | {last.label}: {found}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
