"""Do the choices that ghostbench speaks against lose points in fresh designs near the target, and against hand scaling?

    python -m benchmarks.proxies.near_target draw
    python -m benchmarks.proxies.near_target train --data DATA.yaml
    python -m benchmarks.proxies.near_target report

`draw` measures random designs of `ghostv2-n-wide`, none of which ghostbench has, until 24 lie within 0.85 to 1.0 of
2.5 ms on ghostbench's machine (as a ratio to YOLO11n at 160 px, benchmarks/common/paired.py; about 10 minutes). With
them stand YOLO11 that are scaled by hand to the same latencies: input sizes of 64 to 224 px, widths in sixteenths of
YOLO11n's. At most 12 are kept; 6 exist so near the target. `train` gives each one training of a search's second rung
(400 steps, its settings), a row as each ends. `report` compares the designs that have a choice with those that do not,
and all with hand scaling at equal latency. A least-squares fit of all choices at once tells them apart where designs
share several. Run it from the repository's root.
"""

import argparse
import csv
import math
import random
import statistics
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from benchmarks.proxies.ghostbench.architectures import FOLDER, TARGET_MS, Device, gflops
from nas.architecture import Architecture, from_key, to_yaml
from nas.space import SearchSpace, load_space, yolo11
from nas.util import ultralytics_env
from nas.util.provenance import host_machine, versions

ultralytics_env.prepare()

SPACE, NEAR, DESIGNS, SCALED = "ghostv2-n-wide", 0.85, 24, 12
DRAWN = ("arch", "kind", "imgsz", "ratio", "ratio_low", "ratio_high", "gflops", "host", "versions")
TRAINED = ("data", "arch", "kind", "ratio", "seed", "steps", "val", "select", "seconds", "precision", "versions")
DESIGNS_CSV, TRAININGS_CSV = FOLDER / "near_target.csv", FOLDER / "near_target_trainings.csv"
SCREENED_S, FINAL_S = 1.0, 10.0
SCREENED_TO = 0.05
SIZES, WIDTHS = range(224, 63, -32), range(4, 25)
"""Input sizes of the hand-scaled, and their widths in sixteenths of YOLO11n's."""
STEPS = 400
_LEARNT_FROM, _LIKELY = 24, 1.15
_REPLICATES = 2000

CHOICES: dict[str, Callable[[Architecture], bool]] = {
    "reg_max 1": lambda arch: arch.reg_max == 1,
    "box_width 16": lambda arch: arch.box_width == 16,
    "reg_max 1 or box_width 16": lambda arch: arch.reg_max == 1 or arch.box_width == 16,
    "P5 wider than 1.5x P4": lambda arch: arch.stages[3].width > 1.5 * arch.stages[2].width,
    "P5 wider than 2x P4": lambda arch: arch.stages[3].width > 2 * arch.stages[2].width,
    "P3 ghost": lambda arch: arch.stages[1].block == "ghost",
    "relu": lambda arch: arch.activation == "relu",
}
TOGETHER = ("reg_max 1", "relu", "box_width 16", "P5 wider than 1.5x P4", "P3 ghost")
"""The choices that are fitted at once."""


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where there is none yet."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def band(rows: Sequence[dict[str, str]]) -> tuple[float, float]:
    """The ratios to YOLO11n at 160 px that are near the target, by ghostbench's machine."""
    known = rows[0]
    stock_ms = float(known["latency_ms"]) / float(known["ratio"])
    return NEAR * TARGET_MS / stock_ms, TARGET_MS / stock_ms


def fresh(space: SearchSpace, known: set[str], near: tuple[float, float], device: Device) -> Iterator[Architecture]:
    """Random designs that ghostbench does not have and that are near the target by a short measurement."""
    rng, seen = random.Random("near the target"), list[tuple[float, float]]()
    while True:
        arch = space.decode(space.sample(rng))
        if arch.key in known:
            continue
        work = gflops(arch)
        if len(seen) >= _LEARNT_FROM:
            works, ratios = np.log(np.array(seen)).T
            slope, offset = np.polyfit(works, ratios, 1)
            rough = math.exp(offset + slope * math.log(work))
            if not near[0] / _LIKELY <= rough <= near[1] * _LIKELY:
                continue
        ratio = device.ratio(arch, SCREENED_S).ratio
        seen.append((work, ratio))
        if near[0] <= ratio <= near[1]:
            yield arch


def scaled(near: tuple[float, float], device: Device) -> Iterator[Architecture]:
    """YOLO11 at every input size and width that takes about as long, the narrowest of a size first."""
    for imgsz in SIZES:
        widths = [yolo11("n", imgsz, sixteenths / 16) for sixteenths in WIDTHS]

        def ratio(arch: Architecture) -> float:
            return device.ratio(arch, SCREENED_S).ratio

        # A wider one takes longer: the first is found by halving, and screening is left to errors of some percent.
        first = bisect_left(widths, near[0] * (1 - SCREENED_TO), key=ratio)
        for arch in widths[first:]:
            if ratio(arch) > near[1] * (1 + SCREENED_TO):
                break
            yield arch


def draw(rows: Rows) -> None:
    """Measure and keep designs until both kinds are complete."""
    space = load_space(SPACE)
    near = band(read(FOLDER / "architectures.csv"))
    device = Device(yolo11("n", max(space.choices["imgsz"])))
    kept = {row["arch"] for row in rows.all()}

    def add(arch: Architecture, kind: str) -> bool:
        found = device.ratio(arch, FINAL_S)
        if arch.key in kept or not near[0] <= found.ratio <= near[1]:
            return False
        kept.add(arch.key)
        rows.add(
            {
                "arch": arch.key,
                "kind": kind,
                "imgsz": arch.imgsz,
                "ratio": f"{found.ratio:.4f}",
                "ratio_low": f"{found.low:.4f}",
                "ratio_high": f"{found.high:.4f}",
                "gflops": f"{gflops(arch):.4f}",
                "host": host_machine()["processor"],
                "versions": f"onnxruntime {versions()['onnxruntime']}",
            }
        )
        print(f"{kind:7s} {found.ratio:.3f} {arch.key}", flush=True)
        return True

    have = sum(row["kind"] == "random" for row in rows.all())
    known = {row["arch"] for name in ("architectures.csv", "pool.csv", "evolved.csv") for row in read(FOLDER / name)}
    for arch in fresh(space, known, near, device):
        if have >= DESIGNS:
            break
        have += add(arch, "random")
    have = sum(row["kind"] == "scaled" for row in rows.all())
    for arch in scaled(near, device) if have < SCALED else ():
        have += add(arch, "scaled")
        if have >= SCALED:
            break


def trained(row: dict[str, str], seed: int, source: str | None) -> dict[str, Any]:
    """One training of the second rung, from scratch."""
    from nas.data import load
    from nas.model import build
    from nas.proxy import ProxySettings, train_proxy, validate
    from nas.util.machine_lock import MachineLock

    data, arch = load(source), from_key(row["arch"])
    settings = ProxySettings(seed=seed).longer(STEPS)
    result, final = train_proxy(build(to_yaml(arch, data.nc), seed=seed), data, arch.imgsz, settings, MachineLock())
    score = validate(final, data.val, data, arch.imgsz)
    return {
        "data": data.name,
        "arch": arch.key,
        "kind": row["kind"],
        "ratio": row["ratio"],
        "seed": seed,
        "steps": STEPS,
        "val": f"{score.map50_95:.4f}",
        "select": f"{result.score.map50_95:.4f}",
        "seconds": round(result.seconds),
        "precision": result.precision,
        "versions": " ".join(f"{name}={versions()[name]}" for name in ("ghostnas", "torch", "ultralytics")),
    }


def train(rows: Rows, source: str | None, seeds: int, jobs: int, at_most: int) -> None:
    """Train what is left, both kinds in turn."""
    from nas.data import load

    name = load(source).name
    have = {(row["data"], row["arch"], row["seed"]) for row in rows.all()}
    designs = read(DESIGNS_CSV)
    kinds = [[row for row in designs if row["kind"] == kind] for kind in ("random", "scaled")]
    order = sorted(
        (row for kind in kinds for row in kind),
        key=lambda row: next(kind.index(row) / len(kind) for kind in kinds if row in kind),
    )
    todo = [(row, seed, source) for seed in range(seeds) for row in order if (name, row["arch"], str(seed)) not in have]
    todo = todo if at_most < 0 else todo[:at_most]
    print(f"{len(todo)} trainings of {STEPS} steps", flush=True)
    for row in results(trained, todo, jobs):
        rows.add(row)
        print(f"{row['kind']:7s} {row['val']} {row['seconds']} s {row['arch']}", flush=True)


def report() -> None:
    """Print, for each data set, how the designs compare."""
    rows = read(TRAININGS_CSV)
    for data in sorted({row["data"] for row in rows}):
        mine = [row for row in rows if row["data"] == data]
        print(f"\n## {data}\n\n{compared(mine)}")


def compared(rows: Sequence[dict[str, str]]) -> str:
    """A Markdown table: each group's mean above hand scaling at equal latency, in points, with 95% intervals."""
    points = {kind: _means(rows, kind) for kind in ("random", "scaled")}
    hand = list(points["scaled"].values())
    slope, offset = np.polyfit([math.log(ratio) for ratio, _ in hand], [value for _, value in hand], 1)
    spread = statistics.stdev(value - offset - slope * math.log(ratio) for ratio, value in hand)
    above = {key: 100 * (value - offset - slope * math.log(ratio)) for key, (ratio, value) in points["random"].items()}
    lines = [
        f"{len(hand)} scaled YOLO11: mean {statistics.mean(value for _, value in hand):.3f}, the best "
        f"{max(value for _, value in hand):.3f}, {100 * spread:.1f} points around their line",
        "",
        "| designs | number | points above hand scaling, mean | best of 8 drawn, mean |",
        "|---|---|---|---|",
    ]
    groups: dict[str, Callable[[Architecture], bool]] = {"all": lambda _: True}
    for name, has in CHOICES.items():
        groups[name] = has
        groups[f"not {name}"] = lambda arch, has=has: not has(arch)
    for name, inside in groups.items():
        values = np.array([value for key, value in above.items() if inside(from_key(key))])
        if len(values) < 2:
            continue
        drawn = np.random.default_rng(0).choice(values, (_REPLICATES, len(values)))
        low, high = np.quantile(drawn.mean(axis=1), (0.025, 0.975))
        best = np.random.default_rng(1).choice(values, (_REPLICATES, 8)).max(axis=1).mean()
        lines.append(f"| {name} | {len(values)} | {values.mean():+.1f} ({low:+.1f} to {high:+.1f}) | {best:+.1f} |")
    effects = "; ".join(f"{name} {effect:+.1f} ± {error:.1f}" for name, effect, error in fitted(above))
    return "\n".join([*lines, "", f"all choices at once, points (95%): {effects}"])


def fitted(above: Mapping[str, float]) -> Iterator[tuple[str, float, float]]:
    """Each choice of `TOGETHER`, what it adds in an ordinary least-squares fit of all, and the half width at 95%.

    Args:
        above: Points above hand scaling, by design.
    """
    archs = [from_key(key) for key in above]
    has = np.array([[1.0, *(float(CHOICES[name](arch)) for name in TOGETHER)] for arch in archs])
    values = np.array(list(above.values()))
    effects, *_ = np.linalg.lstsq(has, values)
    free = len(values) - has.shape[1]
    variance = ((values - has @ effects) ** 2).sum() / free
    errors = stats.t.ppf(0.975, free) * np.sqrt(np.diag(np.linalg.inv(has.T @ has)) * variance)
    yield from zip(TOGETHER, effects[1:].tolist(), errors[1:].tolist(), strict=True)


def _means(rows: Sequence[dict[str, str]], kind: str) -> dict[str, tuple[float, float]]:
    mine = [row for row in rows if row["kind"] == kind]
    return {
        key: (
            float(next(row["ratio"] for row in mine if row["arch"] == key)),
            statistics.mean(float(row["val"]) for row in mine if row["arch"] == key),
        )
        for key in dict.fromkeys(row["arch"] for row in mine)
    }


def main() -> None:
    """Draw, train or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("draw", "train", "report"))
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, one thread each")
    parser.add_argument("--at-most", type=int, default=-1, help="end after this many trainings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.do == "draw":
        draw(Rows(DESIGNS_CSV, DRAWN, fresh=False))
    elif options.do == "train":
        train(Rows(TRAININGS_CSV, TRAINED, fresh=False), options.data, options.seeds, options.jobs, options.at_most)
    else:
        report()


if __name__ == "__main__":
    main()
