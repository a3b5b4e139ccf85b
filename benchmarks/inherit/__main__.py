"""How designs that inherit a trained detector's channels train, and what ranks them.

    python -m benchmarks.inherit run e2 --source yolo11n.pt --data DATA.yaml
    python -m benchmarks.inherit report
    python -m benchmarks.inherit seeds results/NAME --source yolo11n.pt --data DATA.yaml

Run it from the repository's root. One training after the other, one thread; a row is appended as each ends
(`results/reference/inherit/trainings.csv`); started again, the run goes on after the last row. Every training is
ghostbench's (AdamW at 0.006, a rise of a tenth and a cosine). `val` and `start_val` are mAP50-95 on val after and
before the training, `select` and `start_select` on the pictures that searches compare candidates on. `start_s` are the
seconds of inheriting, teaching and fitting, `select_s` of the score before training, `train_s` of the training with its
own score on the selection part; `_cpu` of them is processor time. A test split is never touched.

`seeds` takes a search with a last rung, and trains its best candidate and its best baseline of each kind once more with
other seeds, as that last rung did (`seeds.csv`); the first row of each is the search's own training.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.rows import Rows
from benchmarks.inherit.arms import FOLDER, Job, designs, jobs
from benchmarks.inherit.report import report
from benchmarks.inherit.seeds import SEEDS_HEADER, more_seeds, seeds_table
from benchmarks.inherit.train import HEADER, trained
from nas.inherit import find_source
from nas.util.paths import cache_subdir

EXPERIMENTS = ("e1", "e2", "boxes", "stages", "levers", "scratch", "self", "source")


def left(options: argparse.Namespace, rows: Rows, data: str) -> Iterator[tuple[Job, int]]:
    """What is not trained yet, each with the lengths that are left."""
    known = designs()
    have = {(row["data"], row["design"], row["arm"], row["seed"], row["steps"]) for row in rows.all()}
    for seed in options.seeds:
        for job in jobs(options.experiment, known, options.designs):
            asked = job.steps if options.arms is None or job.arm.name in options.arms else ()
            steps = [one for one in asked if (data, job.design, job.arm.name, str(seed), str(one)) not in have]
            steps = [one for one in steps if options.steps is None or one in options.steps]
            if steps:
                yield replace(job, steps=tuple(steps)), seed


def run(options: argparse.Namespace, rows: Rows) -> None:
    """Train what is left."""
    from benchmarks.inherit.sources import Sources
    from nas.data import load

    torch.set_num_threads(1)
    data, known = load(options.data), designs()
    sources = Sources(options.source, data, options.cache or cache_subdir("inherit-benchmark"))
    todo = list(left(options, rows, data.name))
    print(f"{len(todo)} beginnings", flush=True)
    for job, seed in todo[: options.at_most if options.at_most >= 0 else None]:
        for row in trained(known[job.design], job.arm, seed, job.steps, data, sources):
            rows.add(row)
            shown = ("design", "arm", "seed", "steps", "start_val", "val", "start_s", "train_s")
            print(" ".join(str(row.get(name, "-")) for name in shown), flush=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = made.add_subparsers(dest="command", required=True)
    training = commands.add_parser("run", help="train what is left of an experiment")
    training.add_argument("experiment", choices=EXPERIMENTS)
    training.add_argument("--source", type=Path, required=True, help="checkpoint of a trained detector")
    training.add_argument("--data", help="data YAML; by default the embedded set")
    training.add_argument("--seeds", type=int, nargs="+", default=[0])
    training.add_argument("--designs", nargs="+", help="only these, by label")
    training.add_argument("--arms", nargs="+", help="only these, by name")
    training.add_argument("--steps", type=int, nargs="+", help="only these lengths")
    training.add_argument("--cache", type=Path, help="folder of tuned sources")
    training.add_argument("--at-most", type=int, default=-1, help="end after this many beginnings")
    seeds = commands.add_parser("seeds", help="train what a search chose with other seeds")
    seeds.add_argument("run", type=Path, help="results folder of a search with a last rung")
    seeds.add_argument("--source", type=find_source, required=True, help="what it started from")
    seeds.add_argument("--data", required=True, help="its data YAML")
    seeds.add_argument("--seeds", type=int, nargs="+", default=[1])
    seeds.add_argument("--also", nargs="+", default=[], help="further designs of the search, by label")
    for command in (training, commands.add_parser("report", help="print the tables")):
        command.add_argument("--csv", type=Path, default=FOLDER / "trainings.csv")
    for command in (seeds, commands.choices["report"]):
        command.add_argument("--seeds-csv", type=Path, default=FOLDER / "seeds.csv")
    return made


def main(arguments: list[str] | None = None) -> Any:
    """Train, or print."""
    options = parser().parse_args(arguments)
    if options.command == "seeds":
        rows = Rows(options.seeds_csv, SEEDS_HEADER, fresh=False)
        return more_seeds(options.run, options.source, options.data, options.seeds, options.also, rows)
    rows = Rows(options.csv, HEADER, fresh=False)
    if options.command == "run":
        return run(options, rows)
    report(rows.all())
    if options.seeds_csv.is_file():
        print("\n".join(["## Searches", "", *seeds_table(Rows(options.seeds_csv, SEEDS_HEADER, fresh=False).all())]))


if __name__ == "__main__":
    main()
