"""What the most promising of random designs is worth: real proxies of 160 designs, from which samplers pick.

    python -m benchmarks.search.sampler_pool                     # replay on the table: a few minutes
    python -m benchmarks.search.sampler_pool --make NAME         # make the table anew: half an hour

The table (`results/reference/ghostbench/pool.csv`) holds random designs of the default space that are predicted to take
76 to 98% of the default target, each with the score of one proxy as a search trains it on the embedded set; its
`latency_ms` is the prediction, from the measurements of the search NAME. Interrupted, `--make` goes on where it was. A
replay knows ten designs at random and picks more, one by one, as the sampler of a search does. Printed, in the mean
over replays and beside as many designs at random: the best score that was picked, how many of the best tenth of the
table are among the picks, and their mean score.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from nas.architecture import from_key
from nas.space import load_space
from nas.surrogate import MeasuredDesign, constrained_expected_improvement, described
from nas.util import ultralytics_env

ultralytics_env.prepare()

TABLE = Path("results/reference/ghostbench/pool.csv")
COLUMNS = ("arch", "latency_ms", "params", "gflops", "score", "seconds")
TARGET_MS, LEAST, MOST = 2.5, 0.76, 0.98
KNOWN, PICKS = 10, 35
SHUFFLES = 10_000
Values = NDArray[np.float64]


def draw(folder: Path, count: int) -> list[tuple[str, float]]:
    """Random designs near below the target, with the latencies that a search's measurements foretell."""
    from nas.latency.predictor.feature_cache import features_of
    from nas.latency.predictor.predictor import Predictor
    from nas.search import sample_of
    from nas.study import read_records

    settings, candidates, baselines = read_records(folder)
    measured = [record.evaluation for record in (*baselines, *candidates) if record.evaluation is not None]
    predictor = Predictor.fit([sample_of(one, settings.data.classes) for one in measured])
    space, rng, found = load_space("ghostv2-n"), random.Random(7), list[tuple[str, float]]()
    while len(found) < count:
        design = space.decode(space.sample(rng))
        predicted = predictor.predict(features_of(design, settings.data.classes)).latency_ms
        if LEAST < predicted / TARGET_MS < MOST:
            found.append((design.key, predicted))
    return found


def scored(key: str, latency_ms: float) -> dict[str, object]:
    """A design with the score of its proxy, as a row."""
    import torch

    from nas.architecture import to_yaml
    from nas.data import load
    from nas.model import build, count
    from nas.proxy import ProxySettings, train_proxy
    from nas.util.machine_lock import MachineLock

    torch.set_num_threads(1)
    design, data = from_key(key), load(None)
    model = build(to_yaml(design, data.nc), seed=0)
    counts = count(model, design.imgsz)
    result, _ = train_proxy(model, data, design.imgsz, ProxySettings(), MachineLock())
    values = (key, f"{latency_ms:.3f}", counts.params, f"{counts.gflops:.4f}", f"{result.score.map50_95:.6f}")
    return dict(zip(COLUMNS, (*values, f"{result.seconds:.1f}"), strict=True))


def worth(scores: Values, picked: "Sequence[int] | NDArray[np.int64]") -> tuple[float, int, float]:
    """Best score, finds among the best tenth, and mean score of what was picked."""
    best = set(np.argsort(-scores)[: len(scores) // 10])
    return scores[picked].max(), len(best & set(picked)), scores[picked].mean()


def replay(pool: list[MeasuredDesign], scores: Values, seed: int) -> tuple[float, int, float]:
    """What the most promising are worth that are picked, one by one, after some that are known at random."""
    taken = [int(at) for at in np.random.default_rng(seed).permutation(len(pool))[:KNOWN]]
    for _ in range(PICKS):
        left = [at for at in range(len(pool)) if at not in taken]
        found = constrained_expected_improvement([pool[at] for at in taken], [pool[at].design for at in left])
        taken.append(left[int(found.argmax())])
    return worth(scores, taken[KNOWN:])


def main() -> None:
    """Make the table, or replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path, metavar="NAME", help="results folder of a search on this machine")
    parser.add_argument("--fresh", action="store_true", help="begin the table anew")
    parser.add_argument("--designs", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=16)
    options = parser.parse_args()
    if options.make is not None:
        drawn = draw(options.make, options.designs)
        table = Rows(TABLE, COLUMNS, options.fresh)
        done = {row["arch"] for row in table.all()}
        for row in results(scored, [one for one in drawn if one[0] not in done], 2):
            table.add(row)
            print(row, flush=True)
    rows = Rows(TABLE, COLUMNS, fresh=False).all()
    scores = np.array([float(row["score"]) for row in rows])
    pool = [
        MeasuredDesign(described(from_key(row["arch"])), float(row["latency_ms"]) / TARGET_MS, {0: score}, True)
        for row, score in zip(rows, scores.tolist(), strict=True)
    ]
    shuffled = np.random.default_rng(0)
    at_random = [worth(scores, shuffled.permutation(len(pool))[:PICKS]) for _ in range(SHUFFLES)]
    promising = [replay(pool, scores, seed) for seed in range(options.seeds)]
    print(f"| {PICKS} picks of {len(pool)} | best score | of the best {len(pool) // 10} | mean score | replays |")
    print("|---|---|---|---|---|")
    for name, each in (("at random", np.array(at_random)), ("the most promising", np.array(promising))):
        error = each.std(axis=0, ddof=1) / len(each) ** 0.5
        shown = " | ".join(f"{mean:.3f} ± {half:.3f}" for mean, half in zip(each.mean(axis=0), error, strict=True))
        print(f"| {name} | {shown} | {len(each)} |")


if __name__ == "__main__":
    main()
