"""The final trainings: every design alike, a row as each ends."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from benchmarks.headline.arms import ARMS, by_name, spread
from benchmarks.headline.designs import Design
from benchmarks.headline.matches import Matches
from benchmarks.headline.plan import Plan
from benchmarks.headline.provenance import origin
from benchmarks.headline.training import rates_of, trained
from nas.data import Split, load
from nas.latency import LatencySettings, ModelBytes, SizedModel, prepare, prepared_name
from nas.proxy import Matched, matched, score_of
from nas.search.remeasure import detected_by_file
from nas.util.atomic_files import write_whole

HEADER = (
    *("data", "digest", "arm", "search", "seed", "key", "imgsz", "start", "inherited", "steps", "lr", "val", "val50"),
    *("select", "train_loss", "seconds", "precision", "commit", "host", "versions"),
)
FIRST_SEED = 100
"""Of the final trainings: no search has trained with it."""


def wanted(designs: Sequence[Design], plan: Plan) -> list[tuple[Design, int]]:
    """The final trainings of all arms, each a design and a seed; the first of every design come first.

    Args:
        designs: The designs of all arms.
        plan: The comparison.
    """
    found: list[tuple[Design, int]] = []
    for arm in ARMS:
        mine = {one.search: one for one in designs if one.arm == arm.name}
        if mine:
            searches = spread(arm.finals if plan.finals is None else plan.finals, list(mine))
            found += [(mine[search], FIRST_SEED + number) for number, search in enumerate(searches)]
    firsts = list({design.name: (design, seed) for design, seed in reversed(found)}.values())
    return sorted(found, key=lambda one: one not in firsts)


def train_finals(
    designs: Sequence[Design], tuned: Mapping[str, Path | None], plan: Plan, rows: Rows
) -> Iterator[dict[str, Any]]:
    """Train what is left; the rows as they come.

    A design's first training is the better one by the selection part of those at each learning rate that its arm may
    take; the others keep that rate.

    Args:
        designs: The designs of all arms.
        tuned: By design what it inherits from; None from scratch.
        plan: The comparison.
        rows: The table.
    """
    todo = wanted(designs, plan)
    for first in (True, False):
        known = rows.all()
        have = {(row["arm"], row["search"], row["seed"]) for row in known}
        rates = {f"{row['arm']}-{row['search']}": float(row["lr"]) for row in known}
        left = [
            (design, seed)
            for number, (design, seed) in enumerate(todo)
            if (number < len(designs)) is first and (design.arm, str(design.search), str(seed)) not in have
        ]
        jobs = [
            (
                *(design, seed, plan.yaml, tuned[design.name], plan.steps, plan.device),
                (rates[design.name],) if design.name in rates else rates_of(tuned[design.name]),
                *(plan.work, plan.kept, plan.latency),
            )
            for design, seed in left
        ]
        for row in results(_final, jobs, plan.workers):
            rows.add(row)
            yield row


def final_file(work: Path, arm: str, search: str, seed: str, latency: LatencySettings) -> Path:
    """Where the file of a final training lies: what is timed and scored."""
    return work / "finals" / prepared_name(f"{arm}-{search}-{seed}", latency)


def matches_file(kept: Path, part: str, arm: str, search: str, seed: str) -> Path:
    """Where is kept what a final training finds in the pictures of `val` or `test`."""
    return kept / part / f"{arm}-{search}-{seed}.npz"


def found_in(file: SizedModel, split: Split, latency: LatencySettings) -> list[Matched]:
    """What a file detects in a split, matched with what is there."""
    return [matched(one) for one in detected_by_file(file, split, latency)]


def read_final(path: Path, imgsz: int) -> SizedModel:
    """A file of a final training.

    Raises:
        SystemExit: It is gone.
    """
    if not path.is_file():
        raise SystemExit(f"{path} is gone: delete its row of finals.csv, and the same command trains it again")
    return SizedModel(ModelBytes.from_file(path), imgsz)


def _final(
    design: Design,
    seed: int,
    yaml: str,
    tuned: Path | None,
    steps: int,
    device: str,
    rates: tuple[float, ...],
    work: Path,
    kept: Path,
    latency: LatencySettings,
) -> dict[str, Any]:
    """One final training, in a process of its own; its row."""
    torch.set_num_threads(1)
    began, data, arm = time.monotonic(), load(yaml), by_name(design.arm)
    done = trained(design.yaml, design.imgsz, data, tuned, steps, seed, device, rates)
    seconds = time.monotonic() - began
    file = SizedModel(prepare(done.model, design.imgsz, latency), design.imgsz)
    write_whole(final_file(work, design.arm, str(design.search), str(seed), latency), file.model.data)
    found = found_in(file, data.val, latency)
    Matches.of_pictures(found).write(matches_file(kept, "val", design.arm, str(design.search), str(seed)))
    val = score_of(found)
    return {
        "data": data.name,
        "digest": data.digest,
        "arm": design.arm,
        "search": design.search,
        "seed": seed,
        "key": design.key,
        "imgsz": design.imgsz,
        "start": "checkpoint" if arm.pretrained else "scratch",
        "inherited": "" if done.inherited is None else f"{done.inherited:.4f}",
        "steps": steps,
        "lr": done.lr,
        "val": f"{val.map50_95:.5f}",
        "val50": f"{val.map50:.5f}",
        "select": f"{done.result.score.map50_95:.5f}",
        "train_loss": f"{done.result.train_loss:.4f}",
        "seconds": round(seconds, 1),
        "precision": done.result.precision,
        **origin(),
    }
