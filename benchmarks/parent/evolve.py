"""Is what a parent likes best any better? Designs evolved by its score, against random ones of the same latency.

    python -m benchmarks.parent.evolve --data DATA.yaml       # after benchmarks.parent.rank, whose parent is used

NSGA-II (Deb et al. 2002, doi:10.1109/4235.996017; Optuna's) evolves 300 designs by their score with the parent's
weights and their predicted latency, which has to stay below the target. The 12 of the highest score and 12 random
designs, all with 0.8 to 1 times the target's latency, are then trained as a search would. A row is appended a training;
started again, the run goes on, and the last lines compare. Prints how long judgements take.
"""

import argparse
import csv
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import optuna
import torch
from scipy.stats import kendalltau

from benchmarks.ghostbench.architectures import FOLDER
from benchmarks.ghostbench.proxies import FIRST_SEED, PROXIES
from benchmarks.latency_parts import Rows
from benchmarks.parent.rank import score, trained_parent
from nas.architecture import Architecture, from_key
from nas.latency.predictor.feature_cache import features_of
from nas.latency.predictor.predictor import Predictor, Sample
from nas.space import SearchSpace

HEADER = ("data", "chosen", "arch", "latency_ms", "parent_score", "proxy", "seed", "score")
TARGET_MS, LEAST = 2.5, 0.8
"""The target in the milliseconds of architectures.csv, and the share of it that compared designs take at least."""

EVOLVED, POPULATION, COMPARED, SEEDS = 300, 32, 12, 2
PROXY = "90 steps"


def predictor(classes: int) -> Predictor:
    """Latencies learnt from ghostbench's."""
    with (FOLDER / "architectures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return Predictor.fit(
        [Sample(features_of(from_key(row["arch"]), classes), float(row["latency_ms"]), 0.005) for row in rows]
    )


def evolved(space: SearchSpace, parent: Any, data: Any, latency: Any) -> dict[str, tuple[float, float]]:
    """Latency and score of every evolved design that stays below the target, by its key."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=0)
    )
    found: dict[str, tuple[float, float]] = {}
    begun, judged = time.monotonic(), 0
    while len(found) < EVOLVED:
        for _ in range(POPULATION):
            trial = study.ask()
            point = {d.name: trial.suggest_int(d.name, 0, len(d.choices) - 1) for d in space.dimensions}
            design = space.decode(point)
            latency_ms, value = latency(design), 0.0
            judged += 1
            if latency_ms <= TARGET_MS:
                if design.key not in found:
                    found[design.key] = latency_ms, score(parent, design.key, data, 0, FIRST_SEED)
                value = found[design.key][1]
            trial.set_constraint("latency", latency_ms - TARGET_MS)
            study.tell(trial, [value, latency_ms])
        print(f"{judged} judged, {len(found)} scored, {time.monotonic() - begun:.0f} s", flush=True)
    return found


def drawn(space: SearchSpace, latency: Any) -> Iterator[tuple[Architecture, float]]:
    """Random designs of nearly the target's latency."""
    rng = random.Random(77)
    while True:
        design = space.decode(space.sample(rng))
        if LEAST * TARGET_MS <= (latency_ms := latency(design)) <= TARGET_MS:
            yield design, latency_ms


def compared(rows: list[dict[str, str]]) -> Iterator[str]:
    """What became of either choice, and how the parent ranks them."""
    for chosen in ("evolved", "random"):
        mine = [row for row in rows if row["chosen"] == chosen]
        designs = {row["arch"]: row for row in mine}
        means = {arch: statistics.mean(float(row["score"]) for row in mine if row["arch"] == arch) for arch in designs}
        by_parent = [float(designs[arch]["parent_score"]) for arch in means]
        latency_ms = statistics.mean(float(row["latency_ms"]) for row in designs.values())
        tau = kendalltau(by_parent, list(means.values())).statistic
        yield (
            f"{chosen}: {len(means)} designs of {latency_ms:.2f} ms, mAP50-95 after {PROXY} "
            f"{statistics.mean(means.values()):.3f} (sd {statistics.stdev(means.values()):.3f}, best "
            f"{max(means.values()):.3f}); the parent gives them {statistics.mean(by_parent):.3f} and ranks them with "
            f"tau {tau:.2f}"
        )


def main() -> None:
    """Evolve, draw, train what is left, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--steps", type=int, default=1200, help="of the parent")
    parser.set_defaults(lr=0.006, sandwich=False, seed=0, threads=1)
    options, rows = Rows.asked_for(parser, FOLDER / "evolved.csv", HEADER, "trainings")
    from nas.data import load
    from nas.space import load_space

    torch.set_num_threads(1)
    data, space = load(options.data), load_space("ghostv2-n")
    parent, _ = trained_parent(options, space, data)
    known = {(row["chosen"], row["arch"]): row for row in rows.all() if row["data"] == data.name}
    if len(known) < 2 * COMPARED:
        costs = predictor(data.nc)

        def latency(design: Architecture) -> float:
            return costs.predict(features_of(design, data.nc)).latency_ms

        near = {
            key: found for key, found in evolved(space, parent, data, latency).items() if found[0] >= LEAST * TARGET_MS
        }
        best = sorted(near, key=lambda key: -near[key][1])[:COMPARED]
        others = (pair for pair, _ in zip(drawn(space, latency), range(COMPARED), strict=False))
        chosen = [("evolved", key, *near[key]) for key in best]
        chosen += [("random", d.key, ms, score(parent, d.key, data, 0, FIRST_SEED)) for d, ms in others]
    else:
        chosen = [(*pair, float(row["latency_ms"]), float(row["parent_score"])) for pair, row in known.items()]
    have = {(row["data"], row["chosen"], row["arch"], row["seed"]) for row in rows.all()}
    for kind, key, latency_ms, parent_score in chosen:
        for seed in range(SEEDS):
            if (data.name, kind, key, str(seed)) in have:
                continue
            found = PROXIES[PROXY](from_key(key), data, FIRST_SEED + seed)
            values = (data.name, kind, key, f"{latency_ms:.3f}", f"{parent_score:.4f}", PROXY, seed, f"{found:.4f}")
            rows.add(dict(zip(HEADER, values, strict=True)))
    for text in compared([row for row in rows.all() if row["data"] == data.name]):
        print(text)


if __name__ == "__main__":
    main()
