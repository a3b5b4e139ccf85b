"""What samplers find in whole searches whose trainings are simulated: the accuracy at the target, and the front.

    python -m benchmarks.search.simulated_search --seeds 4

A stand-in for latency and accuracy is fitted to the measured trials of `results/reference/embedded` and to the
proxies of ghostbench on the same data: Gaussian processes over sizes and choices. A simulated score has the luck of a
real proxy. Every sampler runs the product's own scheduler with 50 trainings, in turn, seed by seed. Printed of each
search: the true accuracy of the design with the best score below the target, the hypervolume below it (mAP x ms), and
the median latency of what was trained but not proposed for the front, as a share of the target. Minutes a search, in
which nothing is trained and nothing is measured.
"""

import argparse
import csv
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.hypervolume import hypervolume
from nas.architecture import Architecture, from_key, to_yaml
from nas.latency import Latency, LatencyDevice, LatencySettings
from nas.latency.predictor.predictor import LEAST_SAMPLES, Prediction
from nas.model import build, count
from nas.proxy import ProxySettings, Score
from nas.search import proposals, sampler
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space import load_space, yolo11
from nas.study import DataChoice, Evaluation, Limits, ProxyChoice, Record, SearchSettings, SpaceChoice, StoredStudy
from nas.surrogate import ScoredDesign
from nas.surrogate.posterior import described
from nas.util import ultralytics_env

ultralytics_env.prepare()

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
TARGET_MS = 2.5
LUCK = 0.018
"""Standard deviation of a proxy's score between seeds, mAP."""

BASELINES = {"yolo11n": yolo11("n", 160), "yolo11-scaled": yolo11("n", 128, 0.75)}
"""Those of the reference search."""

_HALF_INTERVAL = 0.015
_FORESEEN = 0.15
"""Half width of a predicted latency's interval."""

_LEAST_ACCURACY = 0.005


@dataclass(frozen=True, slots=True)
class Known:
    """A design with what was measured of it."""

    design: Architecture
    params: int
    gflops: float
    latency_ms: float
    accuracy: float


def measured() -> list[Known]:
    """Every trained design of the reference search, and ghostbench's with a search's proxies on the same data."""
    trials = [row for row in _rows("embedded/trials.csv") if row["status"] == "trained"]
    found = [
        Known(from_key(r["architecture"]), *_sizes(r), float(r["latency_ms"]), float(r["map50_95"])) for r in trials
    ]
    unit = next(float(row["latency_ms"]) for row in trials if row["trial"] == "yolo11n")  # at the same input size
    bench = {row["arch"]: row for row in _rows("ghostbench/architectures.csv")}
    for row in _rows("ghostbench/proxies.csv"):
        if (row["data"], row["proxy"], row["seed"]) == ("embedded", "search", "0"):
            one = bench[row["arch"]]
            found.append(Known(from_key(row["arch"]), *_sizes(one), float(one["ratio"]) * unit, float(row["score"])))
    return found


def _rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _sizes(row: dict[str, str]) -> tuple[int, float]:
    return int(row["params"]), float(row["gflops"])


class StandIn:
    """True latency and accuracy of any design, as far as the measured ones tell."""

    def __init__(self, known: list[Known]) -> None:
        """Fit both.

        Args:
            known: Measured designs.
        """
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel
        from sklearn.preprocessing import StandardScaler

        self._vectorizer, self._scaler = DictVectorizer(sparse=False), StandardScaler()
        self._scaler.fit(self._vectorizer.fit_transform([self._described(*_three(one)) for one in known]))
        names = self._vectorizer.get_feature_names_out()
        sizes = np.isin(names, ("params", "gflops", "imgsz"))
        self._weights = np.where(sizes, 1 / sizes.sum(), 1 / (~sizes).sum()) ** 0.5
        table = np.concatenate([self._table(*_three(one)) for one in known])
        self._fits = []
        for values in (
            np.log([one.latency_ms for one in known]),
            np.log([max(one.accuracy, _LEAST_ACCURACY) for one in known]),
        ):
            kernel = ConstantKernel() * DotProduct(0.0, "fixed") + ConstantKernel(0.5) * Matern(1.5, nu=2.5)
            process = GaussianProcessRegressor(kernel + WhiteKernel(0.1), n_restarts_optimizer=2, random_state=0)
            centre, unit = values.mean(), values.std()
            self._fits.append((process.fit(table, (values - centre) / unit), centre, unit))

    def __call__(self, design: Architecture, params: int, gflops: float) -> tuple[float, float]:
        """Latency in ms and mAP50-95."""
        table = self._table(design, params, gflops)
        latency_ms, accuracy = (
            float(np.exp(fit.predict(table)[0] * unit + centre)) for fit, centre, unit in self._fits
        )
        return latency_ms, accuracy

    def _table(self, design: Architecture, params: int, gflops: float) -> NDArray[np.float64]:
        row = self._scaler.transform(self._vectorizer.transform([self._described(design, params, gflops)]))
        return np.asarray(np.clip(row, -4, 4) * self._weights)  # nothing is known far beyond what was measured

    @staticmethod
    def _described(design: Architecture, params: int, gflops: float) -> dict[str, float | str]:
        return described(ScoredDesign(design, params, gflops, 0.0))


def _three(one: Known) -> tuple[Architecture, int, float]:
    return one.design, one.params, one.gflops


@dataclass(frozen=True, slots=True)
class Found:
    """What a simulated search gave."""

    accuracy: float
    hypervolume: float
    near: float


def simulated(stand_in: StandIn, sampler: sampler.Sampler, seed: int, budget: int) -> Found:
    """One search.

    Args:
        stand_in: The truth.
        sampler: What proposes.
        seed: Seed of proposals and luck.
        budget: Trainings.
    """
    luck, space = np.random.default_rng(seed), load_space("ghostv2-n")
    truth: dict[str, tuple[float, float]] = {}

    def evaluate(design: Architecture, task: Task, label: str, always_train: bool) -> Evaluation:
        counts = count(build(to_yaml(design, task.classes), seed=0), design.imgsz)
        latency_ms, accuracy = truth[label] = stand_in(design, counts.params, counts.gflops)
        latency = _latency(latency_ms, design.imgsz, task.latency)
        violations = task.limits.check(latency, counts.params, counts.gflops, 0)
        trained = always_train or not violations
        score = Score(max(0.0, accuracy + LUCK * luck.standard_normal()), 0.0) if trained else None
        sizes = counts.params, counts.gflops, counts.rule, 0
        return Evaluation(design, "trained" if trained else "rejected", violations, *sizes, latency, score, {})

    with tempfile.TemporaryDirectory() as name:
        task = Task(Limits(TARGET_MS), LatencyDevice(LatencySettings()), ProxySettings(), None, 1.0, 6, Path(name))
        study = StoredStudy(Path(name), _settings(sampler, seed), {d.name: len(d.choices) for d in space.dimensions})

        def latency_predictor(records: Sequence[Record], design: Architecture) -> Prediction | None:
            counts = count(build(to_yaml(design, task.classes), seed=0), design.imgsz)
            latency_ms, _ = stand_in(design, counts.params, counts.gflops)
            low_ms, high_ms = (latency_ms * (1 + by * _FORESEEN) for by in (-1, 1))
            return Prediction(latency_ms, low_ms, high_ms, 0.0) if len(records) >= LEAST_SAMPLES else None

        proposer = Proposer(space, sampler, seed, study.limits, predict=latency_predictor)
        scheduler = TrialScheduler(study, proposer, budget=budget, baselines=BASELINES)
        inline.run(scheduler, task, evaluate)
        records = study.trained()
        study.close()
    met = [r for r in records if truth[r.label][0] <= TARGET_MS]
    best = max(met, key=lambda record: record.score.map50_95)
    volume = hypervolume([truth[r.label] for r in met], (TARGET_MS, 0.0))
    near = statistics.median(truth[r.label][0] / TARGET_MS for r in records if r.origin not in ("gp", "tpe"))
    return Found(truth[best.label][1], volume, near)


def _latency(latency_ms: float, imgsz: int, settings: LatencySettings) -> Latency:
    low_ms, high_ms = latency_ms * (1 - _HALF_INTERVAL), latency_ms * (1 + _HALF_INTERVAL)
    nothing: dict[str, Any] = {
        "dropped": {},
        "conditions": {},
        "calibration": "",
        "key": {},
        "slices_ms": (),
        "samples": (),
    }
    known: dict[str, Any] = {"seconds": 0.0, "processes": 1, "settings": settings, "imgsz": imgsz, "level": "screening"}
    return Latency(latency_ms, low_ms, high_ms, **known, **nothing)


def _settings(sampler: str, seed: int) -> SearchSettings:
    proxy = ProxySettings()
    return SearchSettings(
        SpaceChoice("ghostv2-n", "", (96, 128, 160)),
        DataChoice("simulated", "", 6),
        Limits(TARGET_MS),
        LatencySettings(),
        ProxyChoice("cpu", proxy.steps, proxy.batch, seed),
        sampler,
    )


NEVER = 10**6
WAYS: dict[str, tuple[sampler.Sampler, int, int, float]] = {
    "random": ("random", NEVER, NEVER, 0.0),
    "gp, for the front": ("gp", 1, NEVER, 0.0),
    "gp, no random draws": ("gp", sampler.FRONT_EVERY, NEVER, sampler.NEAR),
    "gp, every other at random": ("gp", sampler.FRONT_EVERY, 2, sampler.NEAR),
    "gp, anywhere below the target": ("gp", sampler.FRONT_EVERY, sampler.RANDOM_EVERY, 0.0),
    "gp, above 0.6 of the target": ("gp", sampler.FRONT_EVERY, sampler.RANDOM_EVERY, 0.6),
    "gp, as searches use it": ("gp", sampler.FRONT_EVERY, sampler.RANDOM_EVERY, sampler.NEAR),
    "tpe, no random draws": ("tpe", sampler.FRONT_EVERY, NEVER, sampler.NEAR),
    "tpe, as searches use it": ("tpe", sampler.FRONT_EVERY, sampler.RANDOM_EVERY, sampler.NEAR),
}
"""Sampler; of how many proposals one looks for the front, and one is drawn at random; share of the target from which on
the others look for accuracy."""


def main() -> None:
    """Run every way with every seed, in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    stand_in = StandIn(measured())
    found: dict[str, list[Found]] = {way: [] for way in arguments.ways}
    for seed in range(arguments.seeds):
        for way in arguments.ways:
            name, sampler.FRONT_EVERY, sampler.RANDOM_EVERY, sampler.NEAR = WAYS[way]
            proposals.NEAR = sampler.NEAR
            found[way].append(simulated(stand_in, name, seed, arguments.budget))
            print(f"seed {seed}, {way}: {found[way][-1]}", flush=True)
    print("| sampler | true mAP50-95 of the chosen: mean (each seed) | hypervolume | median latency, of the target |")
    print("|---|---|---|---|")
    for way, all_ in found.items():
        each = ", ".join(f"{one.accuracy:.3f}" for one in all_)
        mean, volume = (statistics.mean(getattr(one, what) for one in all_) for what in ("accuracy", "hypervolume"))
        print(f"| {way} | {mean:.3f} ({each}) | {volume:.3f} | {statistics.mean(one.near for one in all_):.2f} |")


if __name__ == "__main__":
    main()
