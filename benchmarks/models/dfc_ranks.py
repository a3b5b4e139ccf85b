"""Does a small input hide what DFC kernels, pools and blocks are worth? 16 nets that differ in nothing else, twice.

    python -m benchmarks.models.dfc_ranks --data DATA.yaml --jobs 2

Each is trained as a search trains its proxies, with `--seeds` seeds, at a small and at a large input size, and scored
on the selection part; a row is kept a training (`results/reference/dfc/ranks.csv`), and started again the run goes on.
Printed are the scores and Kendall's tau: between the sizes, of the means over the seeds and of single seeds, and
between two seeds at one size, which is the most that single seeds of two sizes can reach. The last lines are of kernels
and pools alone: tau between the sizes among nets with ghost bottlenecks in the same stages.
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from nas.architecture import Architecture, Stage, from_key, to_yaml
from nas.data import load
from nas.model import build
from nas.proxy import ProxySettings, train_proxy
from nas.space import yolo11
from nas.util import ultralytics_env

ultralytics_env.prepare()

HEADER = ("data", "key", "imgsz", "seed", "steps", "map50_95", "seconds")
CSV = Path("results/reference/dfc/ranks.csv")
SIZES = (96, 320)
BASE_WIDTH = 0.5
PLACES = {"all stages": (True, True, True, True), "P4 and P5": (False, False, True, True)}
"""Which stages are of ghost bottlenecks; the others keep YOLO11's own blocks."""

Scores = dict[str, dict[int, list[float]]]
"""Scores a seed, by a net's name and its input size."""


def nets() -> dict[str, Architecture]:
    """The nets by name: DFC attention with three kernels and two pools or without, in two places, and two mixtures."""
    base = replace(yolo11("n", SIZES[0], BASE_WIDTH), activation="relu")
    attention = [(0, 1), *product((3, 5, 7), (1, 2))]

    def net(ghosts: Sequence[bool], kernel: int, pool: int) -> Architecture:
        p2, p3, p4, p5 = (
            Stage("ghost", stage.width, 1, 3.0, kernel, pool) if ghost else stage
            for ghost, stage in zip(ghosts, base.stages, strict=True)
        )
        return replace(base, stages=(p2, p3, p4, p5))

    named = {
        f"ghost in {place}, {f'kernel {kernel}, pool {pool}' if kernel else 'no attention'}": net(ghosts, kernel, pool)
        for (place, ghosts), (kernel, pool) in product(PLACES.items(), attention)
    }
    return named | {"no ghost": base, "ghost in P2 and P3, no attention": net((True, True, False, False), 0, 1)}


def trained(key: str, imgsz: int, seed: int, steps: int, source: str | None) -> dict[str, Any]:
    """One proxy's row."""
    data, arch = load(source), replace(from_key(key), imgsz=imgsz)
    settings = ProxySettings(steps=steps, seed=seed)
    model = build(to_yaml(arch, data.nc), seed=seed)
    result, _ = train_proxy(model, data, imgsz, settings)
    place = {"data": data.name, "key": key, "imgsz": imgsz, "seed": seed, "steps": steps}
    return place | {"map50_95": f"{result.score.map50_95:.4f}", "seconds": f"{result.seconds:.1f}"}


def left(rows: Rows, data: str, seeds: int, steps: int) -> Iterator[tuple[str, int, int]]:
    """What is not trained yet, a seed of every net at a time."""
    have = {tuple(row[column] for column in HEADER[:5]) for row in rows.all()}
    for seed, arch, imgsz in product(range(seeds), nets().values(), SIZES):
        if (data, arch.key, str(imgsz), str(seed), str(steps)) not in have:
            yield arch.key, imgsz, seed


def tau(some: Sequence[float], others: Sequence[float]) -> float:
    """Kendall's tau-b of two rankings."""
    return float(kendalltau(some, others).statistic)


def report(scores: Scores) -> None:
    """The table, and how well rankings agree."""
    small, large = SIZES
    print(f"\n| net | {small} px: mean | sd | {large} px: mean | sd |\n|---|---|---|---|---|")
    for name, mine in scores.items():
        cells = " | ".join(f"{statistics.mean(mine[size]):.3f} | {statistics.stdev(mine[size]):.3f}" for size in SIZES)
        print(f"| {name} | {cells} |")
    means = {size: [statistics.mean(mine[size]) for mine in scores.values()] for size in SIZES}
    print(f"\ntau between the sizes, of the means over the seeds: {tau(means[small], means[large]):.2f}")
    single = {size: list(zip(*(mine[size] for mine in scores.values()), strict=True)) for size in SIZES}
    across = [tau(one, other) for i, one in enumerate(single[small]) for j, other in enumerate(single[large]) if i != j]
    print(f"of single seeds, in the mean: {statistics.mean(across):.2f}")
    for size, seeds in single.items():
        pairs = [tau(one, other) for i, one in enumerate(seeds) for other in seeds[:i]]
        print(f"between two seeds at {size} px, in the mean: {statistics.mean(pairs):.2f}")
    for place in PLACES:
        chosen = [at for at, name in enumerate(scores) if name.startswith(f"ghost in {place},")]
        alone = tau(*([means[size][at] for at in chosen] for size in SIZES))
        print(f"between the sizes, ghost in {place}, kernels and pools alone: {alone:.2f} ({len(chosen)} nets)")
        worth = " and ".join(f"{statistics.mean(means[size][at] for at in chosen):.2f} at {size} px" for size in SIZES)
        print(f"mAP50-95 of these in the mean: {worth}")


def main() -> None:
    """Train what is left, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--steps", type=int, default=ProxySettings().steps)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, one thread each")
    options, rows = Rows.asked_for(parser, CSV, HEADER, "trainings")
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: the spread between seeds is what the sizes are judged by")
    data = load(options.data).name
    todo = list(left(rows, data, options.seeds, options.steps))
    todo = todo if options.at_most < 0 else todo[: options.at_most]
    for row in results(trained, [(*one, options.steps, options.data) for one in todo], options.jobs):
        rows.add(row)
        print(" ".join(rows.all()[-1].values()), flush=True)
    if next(left(rows, data, options.seeds, options.steps), None) is not None:
        raise SystemExit("not all are trained yet: run the same command again")
    for size in SIZES:
        seconds = [float(row["seconds"]) for row in rows.all() if row["imgsz"] == str(size)]
        print(f"a training at {size} px takes {statistics.median(seconds):.0f} s in the median")
    found = {tuple(row[column] for column in HEADER[:5]): float(row["map50_95"]) for row in rows.all()}
    report(
        {
            name: {
                size: [found[data, arch.key, str(size), str(seed), str(options.steps)] for seed in range(options.seeds)]
                for size in SIZES
            }
            for name, arch in nets().items()
        }
    )


if __name__ == "__main__":
    main()
