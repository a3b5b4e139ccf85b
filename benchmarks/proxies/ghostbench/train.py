"""Ghostbench's trainings: every chosen architecture trained long from scratch, a few seeds, with its learning curve.

    python -m benchmarks.proxies.ghostbench.train --data DATA.yaml
    python -m benchmarks.proxies.ghostbench.train --data DATA.yaml --first 2 --seeds 1 --steps 2400  # long enough?

Runs for hours, `--jobs` trainings of one thread side by side, from the repository's root; they pause while a latency is
measured. A row is appended as each training ends; started again, the run goes on. `map50_95` and `map50` are of the
data's val, `select_map50_95` and the curve (`steps:mAP50-95`, averaged weights, no learning rate of its own) of the
pictures that searches compare candidates on. A test split is never touched.
"""

import argparse
import csv
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from torch import nn

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from benchmarks.proxies.ghostbench.architectures import FOLDER
from nas.architecture import from_key
from nas.util import ultralytics_env
from nas.util.provenance import versions

ultralytics_env.prepare()

HEADER = (
    *("data", "arch", "yaml", "band", "held_out", "seed", "steps", "imgsz", "map50_95", "map50", "select_map50_95"),
    *("latency_ms", "params", "gflops", "train_loss", "seconds", "curve", "versions"),
)
SEEDS = {"extreme": 2}
POINTS = 12
LEARNING_RATE = 0.006
PLAIN: dict[str, Any] = {"first_boxes": None, "lr_inputs": None}
"""Ultralytics' own beginning, one learning rate for all layers: nothing that is done for short trainings' sake."""

_KEPT = ("arch", "yaml", "band", "held_out", "imgsz", "latency_ms", "params", "gflops")


def selected(average: nn.Module, data: Any, imgsz: int, settings: Any, lock: Any) -> float:
    """mAP50-95 on the selection part of a training's averaged weights, which are left as they are."""
    from nas.data import pixels
    from nas.proxy import find_device, find_precision, recalibrate, validate

    model, source, device = deepcopy(average), pixels(data.train, imgsz), find_device("cpu")
    precision = find_precision(settings.precision, device)
    recalibrate(model, source, settings.recalibration, settings.batch, device, precision, lock)
    return validate(model, data.select, data, imgsz, lock=lock).map50_95


def trained(row: dict[str, str], seed: int, steps: int, source: str | None) -> dict[str, Any]:
    """One training and what it gave."""
    from nas.architecture import to_yaml
    from nas.data import load
    from nas.model import build
    from nas.proxy import ProxySettings, train_proxy, validate
    from nas.util.machine_lock import MachineLock

    data, arch = load(source), from_key(row["arch"])
    settings = ProxySettings(steps=steps, seed=seed, lr=LEARNING_RATE, horizon=1, warmup=0.1, **PLAIN)
    lock, curve = MachineLock(), []
    marks = {round(steps * (point + 1) / POINTS) for point in range(POINTS)}

    def observe(step: int, average: nn.Module) -> None:
        if step in marks:
            curve.append((step, selected(average, data, arch.imgsz, settings, lock)))

    model = build(to_yaml(arch, data.nc), seed=seed)
    result, final = train_proxy(model, data, arch.imgsz, settings, lock, observe)
    score = validate(final, data.val, data, arch.imgsz, lock=lock)
    return {name: row[name] for name in _KEPT} | {
        "data": data.name,
        "seed": seed,
        "steps": steps,
        "map50_95": f"{score.map50_95:.4f}",
        "map50": f"{score.map50:.4f}",
        "select_map50_95": f"{result.score.map50_95:.4f}",
        "train_loss": f"{result.train_loss:.4f}",
        "seconds": round(result.seconds),
        "curve": " ".join(f"{step}:{value:.4f}" for step, value in curve),
        "versions": " ".join(f"{name}={versions()[name]}" for name in ("ghostnas", "torch", "ultralytics")),
    }


def left(chosen: list[dict[str, str]], rows: Rows, options: argparse.Namespace, data: str) -> Iterator[Any]:
    """What is not trained yet: a seed of every architecture before the next seed."""
    have = {(row["data"], row["arch"], row["seed"], row["steps"]) for row in rows.all()}
    for seed in range(options.seeds):
        for row in chosen:
            todo = seed < SEEDS.get(row["band"], options.seeds)
            if todo and (data, row["arch"], str(seed), str(options.steps)) not in have:
                yield row, seed, options.steps, options.data


def main() -> None:
    """Train what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of those in a band")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, one thread each")
    parser.add_argument("--band", help="only this band: target, yolo11n or extreme")
    parser.add_argument("--first", type=int, help="only the first so many of each band")
    options, rows = Rows.asked_for(parser, FOLDER / "trainings.csv", HEADER, "trainings")
    from nas.data import load

    with (FOLDER / "architectures.csv").open(newline="") as file:
        every = list(csv.DictReader(file))
    places: dict[str, int] = {}
    chosen = []
    for row in every:
        place = places[row["band"]] = places.get(row["band"], 0) + 1
        if options.band in (None, row["band"]) and (options.first is None or place <= options.first):
            chosen.append(row)
    todo = list(left(chosen, rows, options, load(options.data).name))
    todo = todo if options.at_most < 0 else todo[: options.at_most]
    print(f"{len(todo)} trainings of {options.steps} steps", flush=True)
    for row in results(trained, todo, options.jobs):
        rows.add(row)
        last = rows.all()[-1]
        shown = {name: last[name] for name in ("band", "arch", "seed", "map50_95", "seconds", "curve")}
        print(" ".join(shown.values()), flush=True)


if __name__ == "__main__":
    main()
