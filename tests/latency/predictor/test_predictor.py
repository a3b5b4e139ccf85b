"""The predictor on devices that are formulas: costs a unit of work, times a few percent of noise."""

import numpy as np
import pytest

from nas.errors import LatencyError
from nas.latency.predictor.features import TERMS, Features
from nas.latency.predictor.predictor import LEAST_CARRIED, LEAST_SAMPLES, Predictor, Sample

START = np.array([term.cost_ns for term in TERMS]) * 1e-6
NOISE = 0.01


def designs(count: int, seed: int) -> list[Features]:
    """Random graphs in which each kind of work takes some share of a millisecond or two."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(0, 0.5, (count, 1))
    amounts = size * rng.lognormal(0, 0.6, (count, len(TERMS))) / len(TERMS) / START
    return [Features(tuple(row)) for row in amounts]


def device(seed: int, speed: float, spread: float) -> np.ndarray:
    return np.asarray(START * speed * np.random.default_rng(seed).lognormal(0, spread, len(TERMS)))


def measured(graphs: list[Features], costs: np.ndarray, seed: int) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [Sample(one, float(np.dot(one.amounts, costs) * rng.lognormal(0, NOISE)), half_width=0.01) for one in graphs]


HERE = device(1, speed=3.0, spread=0.5)
THERE = device(2, speed=0.2, spread=0.3) * HERE / START
GRAPHS, HELD_OUT = designs(32, 0), designs(200, 1)


def errors(predictor: Predictor, costs: np.ndarray) -> np.ndarray:
    truth = np.array([np.dot(one.amounts, costs) for one in HELD_OUT])
    return np.abs(np.array([predictor.predict(one).latency_ms for one in HELD_OUT]) / truth - 1)


@pytest.fixture(scope="module")
def fitted() -> Predictor:
    return Predictor.fit(measured(GRAPHS, HERE, 0))


def test_held_out_graphs_are_predicted(fitted: Predictor) -> None:
    assert errors(fitted, HERE).mean() < 0.03


def test_intervals_cover_what_is_measured() -> None:
    samples = measured(HELD_OUT, HERE, 5)
    covered, widths = [], []
    for seed in range(8):  # The claim is over what happens to be measured, not for each choice of it.
        predictor = Predictor.fit(measured(designs(32, 10 + seed), HERE, seed))
        for sample in samples:
            found = predictor.predict(sample.features)
            covered.append(found.low_ms <= sample.latency_ms <= found.high_ms)
            widths.append(found.high_ms / found.low_ms - 1)
    assert np.mean(covered) >= 0.94
    assert np.median(widths) < 0.3  # An interval that covers everything says nothing.


def test_more_measurements_narrow_the_interval() -> None:
    few, many = (Predictor.fit(measured(designs(count, 7), HERE, 0)) for count in (8, 64))
    width = [np.mean([p.high_ms / p.low_ms for p in map(one.predict, HELD_OUT)]) for one in (few, many)]
    assert width[1] < width[0]


def test_carrying_over_beats_starting_again(fitted: Predictor) -> None:
    samples = measured(designs(8, 3), THERE, 3)
    carried, anew = fitted.carried_over(samples), Predictor.fit(samples)
    assert errors(carried, THERE).mean() < errors(anew, THERE).mean()
    assert errors(carried, THERE).mean() < 0.08


def test_the_speed_of_the_device_does_not_matter() -> None:
    slow, fast = (Predictor.fit(measured(GRAPHS, HERE * speed, 0)) for speed in (1000.0, 1.0))
    ratio = slow.predict(HELD_OUT[0]).latency_ms / fast.predict(HELD_OUT[0]).latency_ms
    assert ratio == pytest.approx(1000, rel=0.01)


def test_work_that_nobody_measured_widens_the_interval(fitted: Predictor) -> None:
    inside = HELD_OUT[0]
    amounts = list(inside.amounts)
    amounts[NAMED["softmax elements"]] += 2.0 / START[NAMED["softmax elements"]]
    usual, strange = fitted.predict(inside), fitted.predict(Features(tuple(amounts)))
    assert strange.outside and not usual.outside
    assert strange.high_ms / strange.low_ms > usual.high_ms / usual.low_ms


NAMED = {term.name: index for index, term in enumerate(TERMS)}


def test_a_wide_measurement_counts_less() -> None:
    clean = measured(GRAPHS, HERE, 0)
    wrong = [Sample(one.features, one.latency_ms * 1.3, half_width=0.6) for one in clean[:4]]
    trusted = [Sample(one.features, one.latency_ms, half_width=0.005) for one in wrong]
    doubted, believed = (errors(Predictor.fit([*some, *clean[4:]]), HERE).mean() for some in (wrong, trusted))
    assert doubted < believed


def test_too_few_measurements_are_refused(fitted: Predictor) -> None:
    samples = measured(GRAPHS, HERE, 0)
    with pytest.raises(LatencyError, match=f"at least {LEAST_SAMPLES} measured models, got 7"):
        Predictor.fit(samples[:7])
    with pytest.raises(LatencyError, match=f"at least {LEAST_CARRIED} measured models, got 3"):
        fitted.carried_over(samples[:3])


@pytest.mark.parametrize("latency", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_that_is_none_is_refused(latency: float) -> None:
    samples = [*measured(GRAPHS, HERE, 0), Sample(GRAPHS[0], latency)]
    with pytest.raises(LatencyError, match="must be a positive number of ms"):
        Predictor.fit(samples)
