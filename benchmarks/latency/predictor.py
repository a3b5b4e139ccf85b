"""How well latencies of random designs are predicted from few measured ones.

Random designs of the space are built, exported and screened exactly as the search does it, and each is written to a
CSV file at once; started again, the run goes on.

    python -m benchmarks.latency.predictor measure --n 240                       # about 3 s a design, a quiet machine
    python -m benchmarks.latency.predictor measure --n 60 --runtime openvino     # the same designs, for carrying over
    python -m benchmarks.latency.predictor report                                # the tables, from the CSV files alone
    python -m benchmarks.latency.predictor measure --n 240 --csv again.csv       # once more, so that what is held out
    python -m benchmarks.latency.predictor report --again again.csv              # is known from two measurements
    python -m benchmarks.latency.predictor measure --n 240 --seed 0 --csv starting.csv    # other designs, from which
    python -m benchmarks.latency.predictor costs --seed 0 --csv starting.csv    # the starting costs of features.py come

`--seconds` ends a batch after that time. Features come from the cache folder; what is not there is built.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.rows import Rows
from nas.architecture import Architecture
from nas.errors import LatencyError
from nas.latency import LatencyDevice, LatencySettings
from nas.latency.predictor.feature_cache import features_of
from nas.latency.predictor.features import TERMS
from nas.latency.predictor.predictor import Prediction, Predictor, Sample
from nas.proxy import ProxySettings
from nas.search.evaluate import Task, measure_only
from nas.space import SearchSpace, load_space
from nas.study import Evaluation, Limits
from nas.surrogate import described, limit_used

HEADER: tuple[str, ...] = (
    "number",
    "key",
    "imgsz",
    "latency_ms",
    "low_ms",
    "high_ms",
    "gflops",
    "params",
    "runtime",
    "runtime_version",
)
HEADER += ("precision", "threads", "device", "seconds", "refused")
FOLDER = Path("results/reference/latency")
CLASSES = 6
SPACE = "ghostv2-n"
NEAR = 0.2
NO_LIMIT_MS = 1e9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """A measured design: as it is learnt from, and the latency that a prediction of it is compared with."""

    point: dict[str, int]
    sample: Sample
    gflops: float
    truth_ms: float


Predict = Callable[[Sequence[Design], Sequence[Design]], list[Prediction]]


def drawn(space: SearchSpace, seed: int, count: int) -> list[Architecture]:
    """The first `count` different random designs of a seed."""
    rng, found = random.Random(seed), dict[str, Architecture]()
    while len(found) < count:
        design = space.decode(space.sample(rng))
        found.setdefault(design.key, design)
    return list(found.values())


def path_of(options: argparse.Namespace, runtime: str) -> Path:
    """The CSV file of a runtime, precision and thread count."""
    suffix = "" if (options.precision, options.threads) == ("float32", 1) else f"-{options.precision}-{options.threads}"
    return options.csv or FOLDER / f"predictor-{runtime}{suffix}.csv"


def measure(options: argparse.Namespace) -> None:
    """Screen the designs that are not in the CSV file yet."""
    settings = LatencySettings(options.runtime, options.precision, options.threads)
    rows = Rows(path_of(options, options.runtime), HEADER, options.fresh)
    done = {int(row["number"]) for row in rows.all()}
    deadline = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:  # what a disturbed measurement has to say goes there
        task = Task(
            Limits(NO_LIMIT_MS),
            LatencyDevice(settings).calibrated(),
            ProxySettings(),
            None,
            1.0,
            CLASSES,
            Path(folder),
        )
        for number, design in enumerate(drawn(load_space(SPACE), options.seed, options.n)):
            if number in done:
                continue
            if time.monotonic() > deadline:
                print(f"{len(rows.all())} of {options.n}; the same command goes on")
                return
            row: dict[str, object] = {"number": number, "key": design.key, "imgsz": design.imgsz}
            try:
                rows.add(row | _measured(measure_only(design, task)))
            except LatencyError as error:
                rows.add(row | {"refused": str(error)})


def _measured(evaluation: Evaluation) -> dict[str, object]:
    latency = evaluation.latency
    times = {name: f"{getattr(latency, name):.5f}" for name in ("latency_ms", "low_ms", "high_ms")}
    key = {name: latency.key[name] for name in ("runtime", "runtime_version", "precision", "threads", "device")}
    counts = {"gflops": f"{evaluation.gflops:.6f}", "params": evaluation.params}
    return {**times, **key, **counts, "seconds": f"{latency.seconds:.2f}"}


def measured(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that were not refused."""
    return [row for row in Rows(path, HEADER, False).all() if not row["refused"]]


def read(path: Path, seed: int, again: Path | None = None) -> dict[int, Design]:
    """The measured designs of a CSV file, by number; where another holds them again, both together are the truth."""
    space, rows = load_space(SPACE), measured(path)
    second = {} if again is None else {row["key"]: row for row in measured(again)}
    designs = drawn(space, seed, 1 + max(int(row["number"]) for row in rows))
    found = {}
    for row in rows:
        number, design = int(row["number"]), designs[int(row["number"])]
        if design.key != row["key"]:
            raise SystemExit(f"{path}, design {number}: the space or --seed is not the one that was measured")
        latency, half_width = _told(row)
        known = [(latency, half_width), *(_told(second[key]) for key in [design.key] if key in second)]
        # The surer of two measurements counts for more.
        truth = float(np.average([ms for ms, _ in known], weights=[half**-2 for _, half in known]))
        point = space.encode(design)
        assert point is not None
        sample = Sample(features_of(design, CLASSES), latency, half_width)
        found[number] = Design(point, sample, float(row["gflops"]), truth)
    return found


def _told(row: dict[str, str]) -> tuple[float, float]:
    """A row's latency in ms, and the half width of its interval as a share."""
    latency, low, high = (float(row[name]) for name in ("latency_ms", "low_ms", "high_ms"))
    return latency, (high - low) / 2 / latency


def ours(train: Sequence[Design], test: Sequence[Design]) -> list[Prediction]:
    """The predictor."""
    fitted = Predictor.fit([one.sample for one in train])
    return [fitted.predict(one.sample.features) for one in test]


def by_gflops(train: Sequence[Design], test: Sequence[Design]) -> list[Prediction]:
    """A power law in GFLOPs, with a normal interval."""
    x, y = (np.log([f(one) for one in train]) for f in (_gflops, _latency))
    slope, offset = np.polyfit(x, y, 1)
    sd = float(np.std(y - slope * x - offset, ddof=2))
    return [_around(slope * np.log(one.gflops) + offset, sd) for one in test]


def by_gp(train: Sequence[Design], test: Sequence[Design]) -> list[Prediction]:
    """A Gaussian process on the encoding: squared-exponential, one length a dimension, most probable ones."""
    from scipy.optimize import minimize

    def points(designs: Sequence[Design]) -> Floats:
        return np.array([list(one.point.values()) for one in designs], float)

    highest = [max(1, len(d.choices) - 1) for d in load_space(SPACE).dimensions]
    x, z = points(train) / highest, points(test) / highest
    target = np.log([_latency(one) for one in train])
    mean, scale = target.mean(), target.std()
    y = (target - mean) / scale

    def kernel(a: Floats, b: Floats, rates: Floats) -> Floats:
        return np.asarray(np.exp(-0.5 * ((a[:, None] - b[None]) ** 2 @ rates)))

    def loss(theta: Floats) -> float:
        covariance = kernel(x, x, np.exp(theta[:-1])) + (np.exp(theta[-1]) + 1e-6) * np.eye(len(y))
        factor = np.linalg.cholesky(covariance)
        white = np.linalg.solve(factor, y)
        # A weak prior keeps 36 lengths from being free at 32 points.
        return float(0.5 * white @ white + np.log(np.diag(factor)).sum() + 0.5 * ((theta + 3) ** 2 / 4).sum())

    theta = minimize(loss, np.full(x.shape[1] + 1, -3.0), method="L-BFGS-B", options={"maxiter": 30}).x
    rates, noise = np.exp(theta[:-1]), np.exp(theta[-1]) + 1e-6
    inverse = np.linalg.inv(kernel(x, x, rates) + noise * np.eye(len(y)))
    cross = kernel(z, x, rates)
    middle = cross @ inverse @ y
    sd = np.sqrt(np.maximum(1 + noise - np.einsum("ij,jk,ik->i", cross, inverse, cross), 1e-9))
    return [_around(mean + scale * one, scale * s) for one, s in zip(middle, sd, strict=True)]


def around_work(train: Sequence[Design], test: Sequence[Design]) -> list[Prediction]:
    """What a search's acquisition function takes: a Gaussian process over the choices around rough work."""
    space = load_space(SPACE)
    seen, asked = ([described(space.decode(one.point)) for one in some] for some in (train, test))
    middle, sd = limit_used(seen, [_latency(one) for one in train], asked)
    return [_around(float(one), float(s)) for one, s in zip(middle, sd, strict=True)]


def _gflops(one: Design) -> float:
    return one.gflops


def _latency(one: Design) -> float:
    return one.sample.latency_ms


def _around(middle: float, sd: float) -> Prediction:
    return Prediction(*(float(np.exp(middle + by * sd)) for by in (0.0, -1.96, 1.96)), beyond=0.0)


def figures(test: Sequence[Design], predictions: Sequence[Prediction], target_ms: float) -> list[float]:
    """MAPE, share within 5%, Spearman, Spearman near the target, coverage and mean half width of the interval."""
    from scipy.stats import spearmanr

    truth = np.array([one.truth_ms for one in test])
    guess, low, high = (
        np.array([getattr(one, name) for one in predictions]) for name in ("latency_ms", "low_ms", "high_ms")
    )
    error = np.abs(guess / truth - 1)
    near = np.abs(truth / target_ms - 1) <= NEAR
    return [
        100 * float(error.mean()),
        100 * float((error <= 0.05).mean()),
        float(spearmanr(truth, guess).statistic),
        float(spearmanr(truth[near], guess[near]).statistic),
        100 * float(((low <= truth) & (truth <= high)).mean()),
        100 * float(((high - low) / 2 / guess).mean()),
    ]


def tried(designs: dict[int, Design], count: int, method: Predict, options: argparse.Namespace) -> Floats:
    """Figures of every repetition: `count` random designs are measured, the others held out, 200 at most."""
    rng, found = np.random.default_rng(0), []
    for _ in range(options.repeats):
        order = list(rng.permutation(sorted(designs)))
        train, test = ([designs[number] for number in part] for part in (order[:count], order[count : count + 200]))
        found.append(figures(test, method(train, test), options.target))
    return np.array(found)


def report(options: argparse.Namespace) -> None:
    """Print the tables."""
    designs = read(path_of(options, "onnxruntime"), options.seed, options.again)
    print(f"{len(designs)} random designs, ONNX Runtime, {options.repeats} draws of what is measured; mean over draws")
    print("| method | measured | MAPE | within ±5% | Spearman | Spearman near the target | covered | ± |")
    print("|---|---|---|---|---|---|---|---|")
    for count in (8, 16, 32):
        _row("predictor", count, tried(designs, count, ours, options))
    _row("GFLOPs alone", 32, tried(designs, 32, by_gflops, options))
    for count in (12, 32):
        _row("GP over the choices around rough work", count, tried(designs, count, around_work, options))
    _row("GP on the encoding", 32, tried(designs, 32, by_gp, options))
    for name in options.carry:
        others = read(FOLDER / f"predictor-{name}.csv", options.seed)
        for count in (4, 8):
            _row(f"carried over to {name}", count, tried(others, count, _carried(designs, others), options))
        _row(f"from nothing: {name}", 8, tried(others, 8, ours, options))


def _carried(designs: dict[int, Design], others: dict[int, Design]) -> Predict:
    # The source has measured other designs than those that are held out.
    apart = [design.sample for number, design in designs.items() if number not in others][:32]
    source = Predictor.fit(apart)

    def carried(train: Sequence[Design], test: Sequence[Design]) -> list[Prediction]:
        fitted = source.carried_over([one.sample for one in train])
        return [fitted.predict(one.sample.features) for one in test]

    return carried


def _row(method: str, count: int, found: Floats) -> None:
    mape, within, overall, near, covered, width = found.mean(axis=0)
    print(
        f"| {method} | {count} | {mape:.2f}% | {within:.1f}% | {overall:.4f} | {near:.3f} | {covered:.1f}% "
        f"| {width:.1f}% |"
    )


def costs(options: argparse.Namespace) -> None:
    """Print the costs that all designs of a CSV file agree on, in ns a unit."""
    designs = read(path_of(options, "onnxruntime"), options.seed)
    fitted = Predictor.fit([one.sample for one in designs.values()])
    sds = np.sqrt(np.diag(fitted.costs.covariance))
    for term, cost, sd in zip(TERMS, np.exp(fitted.costs.mean) * 1e6, sds, strict=True):
        print(f"{term.name:32} {cost:10.4f} ns, known to a factor of {np.exp(sd):.2f} (starts at {term.cost_ns:g})")


def main() -> None:
    """Read the command line and do one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "report", "costs"))
    parser.add_argument("--n", default=240, type=int, help="designs to measure")
    parser.add_argument("--seed", default=1, type=int, help="seed of the designs")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--csv", default=None, type=Path)
    parser.add_argument("--fresh", action="store_true", help="begin the CSV file anew")
    parser.add_argument("--again", default=None, type=Path, help="CSV file of a second measurement, for report")
    parser.add_argument("--seconds", default=1e9, type=float, help="end a batch after so long")
    parser.add_argument("--repeats", default=20, type=int, help="draws of what is measured, for report")
    parser.add_argument("--target", default=2.5, type=float, help="ms; what `near the target` means")
    parser.add_argument("--carry", default=[], nargs="*", help="CSV files to carry over to, such as openvino")
    options = parser.parse_args()
    {"measure": measure, "report": report, "costs": costs}[options.what](options)


if __name__ == "__main__":
    main()
