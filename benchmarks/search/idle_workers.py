"""How long do many workers wait for their next design, when every proposal takes what it really takes?

Workers are simulated on an injected clock: a trial takes `--trial-s` seconds, and the one process that proposes adds
the real seconds of each `ask` and `tell`. Latency and score are formulas of a design's work; nothing is measured or
trained. Sampler and latency predictor are the product's own. Printed: the share of all workers' time that was spent
waiting, designs that were proposed twice, and the mean seconds of a proposal, by its origin.

    python -m benchmarks.search.idle_workers --workers 8 32
"""

import argparse
import heapq
import random
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from benchmarks.search.step_cost import TARGET_MS, evaluation, search_settings
from nas.architecture import Architecture
from nas.search.evaluate import Task
from nas.search.latency_filter import latency_predictor
from nas.search.pending_trial import NoTrial, PendingTrial
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space import load_space
from nas.study import Evaluation, Limits, StoredStudy
from nas.surrogate.work import rough_work

WORK_A_MS = 2.2e7
"""So that about half of the random designs miss the target."""
WARM_UP = 30
"""Trials before the clock of waiting starts: the first proposals are drawn and cost nothing."""


def found(design: Architecture, rng: random.Random) -> Evaluation:
    """What a formula says of a design: slower designs score higher, with noise."""
    one = evaluation(design, rng)
    latency_ms = rough_work(design) / WORK_A_MS * rng.gauss(1.0, 0.05)
    latency = replace(one.latency, latency_ms=latency_ms, low_ms=0.98 * latency_ms, high_ms=1.02 * latency_ms)
    assert one.score is not None
    score = replace(one.score, map50_95=float(np.log1p(latency_ms)) / 5 + rng.gauss(0.0, 0.02))
    violations = Limits(TARGET_MS).check(latency, one.params, one.gflops, one.onnx_bytes)
    return replace(
        one,
        latency=latency,
        score=None if violations else score,
        status="rejected" if violations else "trained",
        violations=violations,
    )


def simulate(folder: Path, workers: int, trials: int, trial_s: float) -> str:
    """One search."""
    space, rng = load_space("ghostv2-n"), random.Random(0)
    settings = search_settings(space, "gp")
    sizes = {dimension.name: len(dimension.choices) for dimension in space.dimensions}
    study = StoredStudy(folder / str(workers), settings, sizes)
    task = cast(Task, SimpleNamespace(classes=6))
    proposer = Proposer(space, "gp", 0, settings.limits, predict=latency_predictor(task))
    scheduler = TrialScheduler(study, proposer, budget=trials, parallel=workers)
    now, idle_s, begun_at = 0.0, 0.0, 0.0
    running: list[tuple[float, int, PendingTrial, Evaluation]] = []
    free = [0.0] * workers  # since when
    costs: dict[str, list[float]] = defaultdict(list)
    while True:
        began = time.perf_counter()
        pending = scheduler.ask()
        took = time.perf_counter() - began
        now += took
        if isinstance(pending, PendingTrial):
            costs[study.records()[pending.number].origin].append(took)
            since = free.pop(0)
            if pending.number >= WARM_UP:
                begun_at = begun_at or now
                idle_s += now - max(since, begun_at)
            result = found(pending.architecture, rng)
            # A design that misses has no training; what measuring takes is not what is asked here.
            heapq.heappush(running, (now + (trial_s if result.score else 0.0), pending.number, pending, result))
        elif pending is NoTrial.DONE:
            break
        else:
            now = max(now, running[0][0])
        while running and running[0][0] <= now:
            ended, _, one, result = heapq.heappop(running)
            began = time.perf_counter()
            scheduler.tell(one, result)
            now += time.perf_counter() - began
            free.append(ended)
    keys = [record.key for record in study.records()]
    study.close()
    share = idle_s / (workers * (now - begun_at))
    said = ", ".join(
        f"{origin} {statistics.mean(seconds):.2f} s (x{len(seconds)})" for origin, seconds in sorted(costs.items())
    )
    return f"{workers:3} workers: waiting {share:.1%} of their time; {len(keys) - len(set(keys))} designs twice; {said}"


def main() -> None:
    """Print a line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--trials", type=int, default=150, help="trained designs a search")
    parser.add_argument("--trial-s", type=float, default=20.0)
    options = parser.parse_args()
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as folder:
            print(simulate(Path(folder), workers, options.trials, options.trial_s), flush=True)


if __name__ == "__main__":
    main()
