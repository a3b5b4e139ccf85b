"""Expected improvement prefers more accurate designs below the target, by what was learnt from few."""

import random

import numpy as np
import pytest

from nas.architecture.architecture import Architecture
from nas.space.space import SearchSpace
from nas.surrogate.acquisition import MeasuredDesign, constrained_expected_improvement, log_gain
from nas.surrogate.encoding import Described, described
from nas.surrogate.work import rough_work

TARGET_MS = 2.5


def latency_ms(design: Architecture) -> float:
    """Grows with the pixels and the neck's width."""
    return 4.0 * (design.imgsz / 160) ** 2 * (design.neck_width / 64) ** 0.5


def accuracy(design: Architecture) -> float:
    """Grows with the pixels, and is better with SiLU and with few distances in the head."""
    return 0.1 * design.imgsz / 160 + 0.03 * (design.activation == "silu") + 0.02 * (design.reg_max == 4)


def drawn(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    rng = random.Random(seed)
    return [space.decode(space.sample(rng)) for _ in range(count)]


def all_described(designs: list[Architecture]) -> list[Described]:
    return [described(one) for one in designs]


def seen(designs: list[Architecture], luck: float) -> list[MeasuredDesign]:
    rng = np.random.default_rng(0)
    found = []
    for design in designs:
        meets = latency_ms(design) <= TARGET_MS
        scores = {0: accuracy(design) + luck * float(rng.standard_normal())} if meets else {}
        found.append(MeasuredDesign(described(design), latency_ms(design) / TARGET_MS, scores, meets))
    return found


@pytest.mark.slow
def test_the_promising_are_better_than_the_others_and_meet_the_target(space: SearchSpace) -> None:
    chosen, all_ = [], []
    for seed in range(5):
        designs = drawn(space, 200, 100 + seed)
        found = constrained_expected_improvement(seen(drawn(space, 40, seed), luck=0.01), all_described(designs))
        assert found.shape == (200,) and np.isfinite(found).all()
        chosen += [designs[at] for at in np.argsort(-found)[:5]]
        all_ += [design for design in designs if latency_ms(design) <= TARGET_MS]
    met = [one for one in chosen if latency_ms(one) <= TARGET_MS]
    assert len(met) >= len(chosen) / 3  # the most accurate are the slowest
    spread = np.std([accuracy(one) for one in all_])
    assert np.mean([accuracy(one) for one in met]) > np.mean([accuracy(one) for one in all_]) + spread


def test_where_nothing_meets_the_limits_the_likeliest_comes_first(space: SearchSpace) -> None:
    known = [
        MeasuredDesign(described(one), 2 + latency_ms(one) / TARGET_MS, {0: 0.1 + 0.01 * at}, False)
        for at, one in enumerate(drawn(space, 20, 1))
    ]
    designs = drawn(space, 50, 2)
    found = constrained_expected_improvement(known, all_described(designs))
    assert (found <= 0).all()
    assert latency_ms(designs[int(found.argmax())]) < np.median([latency_ms(one) for one in designs])


@pytest.mark.parametrize("equal", [0.0, 0.1])
def test_equal_scores_promise_nothing_but_are_no_error(space: SearchSpace, equal: float) -> None:
    known = [
        MeasuredDesign(described(one), latency_ms(one) / TARGET_MS, {0: equal}, latency_ms(one) <= TARGET_MS)
        for one in drawn(space, 20, 1)
    ]
    found = constrained_expected_improvement(known, all_described(drawn(space, 30, 2)))
    assert np.isfinite(found).all()


def test_the_logarithm_of_the_gain_is_right_and_does_not_underflow() -> None:
    from scipy.stats import norm

    near = np.linspace(-4, 4, 33)
    assert np.exp(log_gain(near)) == pytest.approx(near * norm.cdf(near) + norm.pdf(near), rel=1e-9)
    far = log_gain(np.linspace(-1000, -1, 200))
    assert np.isfinite(far).all() and (np.diff(far) > 0).all()


def test_latencies_below_the_least_are_of_no_interest(space: SearchSpace) -> None:
    known, designs = seen(drawn(space, 40, 3), luck=0.01), drawn(space, 150, 4)
    anywhere = constrained_expected_improvement(known, all_described(designs))
    near = constrained_expected_improvement(known, all_described(designs), 0.85)
    assert (near <= anywhere + 1e-9).all()
    lost = anywhere - near
    fast = np.array([latency_ms(one) < 0.6 * TARGET_MS for one in designs])
    inside = np.array([0.87 * TARGET_MS < latency_ms(one) < 0.98 * TARGET_MS for one in designs])
    assert np.median(lost[fast]) > np.median(lost[inside]) + 1


def test_what_is_near_the_limit_is_known_from_few_designs(space: SearchSpace) -> None:
    """Latencies as measured ones: rough work to some power, and what the choices do."""
    known, designs = drawn(space, 24, 5), drawn(space, 200, 6)

    def used(design: Architecture) -> float:
        return float((rough_work(design) / 2e8) ** 0.8 * (1.1 if design.activation == "silu" else 1.0))

    seen = [
        MeasuredDesign(described(one), used(one), {0: 0.2} if used(one) <= 1 else {}, used(one) <= 1) for one in known
    ]
    found = constrained_expected_improvement(seen, all_described(designs), 0.85)
    best = [used(designs[at]) for at in np.argsort(-found)[:10]]
    assert sum(0.8 <= one <= 1.05 for one in best) >= 8
