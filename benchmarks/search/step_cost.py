"""What a step of a search costs by itself: `ask` and `tell`, with many trials stored. Nothing is measured or trained.

    python -m benchmarks.search.step_cost

A study is filled with random designs of `ghostv2-n`, with latencies and scores by a formula and as many raw runs as a
screening keeps. At each size the next steps are timed: one line a size with the median and the range in milliseconds,
for the random sampler, whose own cost does not grow.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from nas.architecture import Architecture
from nas.latency import Latency, LatencySettings
from nas.proxy import Score
from nas.search.pending_trial import PendingTrial
from nas.search.proposals import Proposer
from nas.search.sampler import Sampler
from nas.search.scheduler import TrialScheduler
from nas.space import SearchSpace, load_space
from nas.study import DataChoice, Evaluation, Limits, ProxyChoice, SearchSettings, SpaceChoice, StoredStudy

SIZES = (50, 500, 2000)
SLICES, RUNS = 24, 8
TARGET_MS = 2.5


def search_settings(space: SearchSpace, sampler: Sampler) -> SearchSettings:
    """Of a search whose latencies and scores are a formula's."""
    return SearchSettings(
        SpaceChoice(space.name, space.digest, space.choices["imgsz"]),
        DataChoice("formula", "0", 6),
        Limits(TARGET_MS),
        LatencySettings(),
        ProxyChoice("cpu", 45, 16, 0),
        sampler,
    )


def evaluation(design: Architecture, rng: random.Random) -> Evaluation:
    """An evaluation as a search stores it."""
    latency_ms = 0.5 + rng.random()
    slices = tuple(latency_ms for _ in range(SLICES))
    runs = tuple(round(latency_ms * (1 + rng.random() / 10), 4) for _ in range(RUNS))
    latency = Latency(
        latency_ms=latency_ms,
        low_ms=latency_ms * 0.99,
        high_ms=latency_ms * 1.01,
        seconds=2.0,
        processes=1,
        slices_ms=slices,
        samples=tuple((runs, runs, runs) for _ in range(SLICES)),
        dropped={},
        conditions={"clock": 1.0, "memory": 1.0, "slope": 0.4},
        calibration="formula",
        settings=LatencySettings(),
        imgsz=design.imgsz,
        level="screening",
        key={"runtime": "formula"},
    )
    score = Score(rng.random(), rng.random())
    return Evaluation(design, "trained", (), 1000, 0.1, "rule", 4000, latency, score, {"proxy": 1.0})


def steps(scheduler: TrialScheduler, count: int, rng: random.Random) -> list[float]:
    """Milliseconds of each of the next steps."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        pending = scheduler.ask()
        asked = time.perf_counter()
        if not isinstance(pending, PendingTrial):
            raise SystemExit(f"the search has ended: {scheduler.ended}")
        result = evaluation(pending.architecture, rng)
        told = time.perf_counter()
        scheduler.tell(pending, result)
        times.append(1e3 * (asked - began + time.perf_counter() - told))
    return times


def main() -> None:
    """Print a line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--steps", type=int, default=20, help="timed steps a size")
    options = parser.parse_args()
    space, rng = load_space("ghostv2-n"), random.Random(0)
    settings = search_settings(space, "random")
    with tempfile.TemporaryDirectory() as folder:
        sizes = {dimension.name: len(dimension.choices) for dimension in space.dimensions}
        study = StoredStudy(Path(folder) / "study", settings, sizes)
        proposer = Proposer(space, sampler="random", seed=0, limits=settings.limits)
        scheduler = TrialScheduler(study, proposer, budget=10 * max(options.sizes))
        for size in sorted(options.sizes):
            steps(scheduler, size - len(study.records()), rng)
            found = steps(scheduler, options.steps, rng)
            print(f"{size:6} stored: {statistics.median(found):8.1f} ms a step ({min(found):.1f} to {max(found):.1f})")
        study.close()


if __name__ == "__main__":
    main()
