"""Scores without their luck: nearer to the truth than they were, with intervals that hold it."""

import random
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau

from nas.architecture.architecture import Architecture
from nas.space.space import load_space
from nas.surrogate.posterior import LEAST, READ_AT, AccuracyEstimate, ScoredDesign, features, posterior_of

Values = NDArray[np.float64]


def designs(count: int, seed: int) -> list[Architecture]:
    space, drawn = load_space("ghostv2-n-wide"), random.Random(seed)
    return [space.decode(space.sample(drawn)) for _ in range(count)]


def params(arch: Architecture) -> int:
    return sum(8 * stage.width**2 * stage.depth for stage in arch.stages) + 40 * arch.neck_width**2


def truth(arch: Architecture) -> float:
    return float(
        0.03 * np.log(params(arch)) + 0.02 * np.log(arch.imgsz) + 0.01 * (arch.stages[2].block == "ghost") - 0.3
    )


def scored(archs: list[Architecture], scores: Values) -> list[ScoredDesign]:
    return [
        ScoredDesign(arch, params(arch), params(arch) * arch.imgsz**2 / 1e9, float(score))
        for arch, score in zip(archs, scores, strict=True)
    ]


def estimates(archs: list[Architecture], scores: Values) -> list[AccuracyEstimate]:
    found = posterior_of(scored(archs, scores))
    assert found is not None
    return list(found.estimates)


@pytest.mark.parametrize("repeated", [pytest.param(0, marks=pytest.mark.slow), 5])
@pytest.mark.parametrize(
    ("count", "noise"),
    [
        (LEAST, 0.7),
        pytest.param(20, 1.5, marks=pytest.mark.slow),
        pytest.param(50, 0.1, marks=pytest.mark.slow),
        (50, 0.7),
        pytest.param(50, 1.5, marks=pytest.mark.slow),
    ],
)
def test_posteriors_rank_better_than_scores_and_hold_the_truth(count: int, noise: float, repeated: int) -> None:
    gains, errors, held = [], [], []
    for seed in range(4):
        archs, rng = designs(count, seed), np.random.default_rng(seed)
        true = np.array([truth(arch) for arch in archs])
        luck = noise * true.std() * rng.standard_normal(count)
        again = [at for at in np.argsort(-(true + luck))[:repeated] for _ in range(2)]  # as a search does
        more = true[again] + noise * true.std() * rng.standard_normal(len(again))
        found = estimates([*archs, *[archs[at] for at in again]], np.concatenate([true + luck, more]))[:count]
        mean = np.array([one.mean for one in found])
        gains.append(kendalltau(mean, true)[0] - kendalltau(true + luck, true)[0])
        errors.append(np.abs(mean - true).mean() / np.abs(luck).mean())
        held += [one.low <= value <= one.high for one, value in zip(found, true, strict=True)]
        assert all(one.low < one.mean < one.high for one in found)
    assert np.mean(gains) > (0.01 if noise > 0.5 else -0.01)
    assert np.mean(errors) < (0.9 if noise > 0.5 else 1.1)
    # With one score each nothing tells luck from what is a design's own.
    assert np.mean(held) >= (0.9 if repeated else 0.75)


def test_more_scores_of_a_design_narrow_its_interval() -> None:
    archs = designs(20, 9)
    rng = np.random.default_rng(9)
    once = np.array([truth(arch) for arch in archs]) + 0.02 * rng.standard_normal(20)
    more = np.array([truth(archs[0])] * 6) + 0.02 * rng.standard_normal(6)
    first = estimates(archs, once)[0]
    again = estimates([*archs, *[archs[0]] * 6], np.concatenate([once, more]))
    assert again[0] == again[-1]  # one design, one estimate
    assert again[0].high - again[0].low < first.high - first.low


def test_too_little_to_learn_from_gives_no_estimate() -> None:
    archs = designs(LEAST, 2)
    scores = np.array([truth(arch) for arch in archs])
    assert posterior_of(scored(archs[:-1], scores[:-1])) is None
    assert np.full(LEAST, 0.1).std() > 0  # by rounding
    assert posterior_of(scored(archs, np.full(LEAST, 0.1))) is None
    assert posterior_of(scored(archs, scores)) is not None


def test_a_feature_that_never_varies_changes_nothing() -> None:
    for count in (13, 25, 50):  # the deviation of that many equal logarithms is zero for some counts only
        same_size = [replace(arch, imgsz=160) for arch in designs(count, 4)]
        table = features(scored(same_size, np.zeros(count)))
        assert (table**2).sum(axis=1).mean() == pytest.approx(5 / 3)  # two sizes weigh a third each, the rest weighs 1


def test_two_designs_are_apart_only_when_their_difference_is_sure() -> None:
    archs = designs(50, 5)
    true = np.array([truth(arch) for arch in archs])
    found = posterior_of(scored(archs, true + 0.7 * true.std() * np.random.default_rng(5).standard_normal(50)))
    assert found is not None
    best, worst = int(true.argmax()), int(true.argmin())
    assert found.apart(best, worst) and found.apart(worst, best)
    assert not found.apart(best, best)
    order = np.argsort([one.mean for one in found.estimates])
    wrong = sum(
        found.apart(high, low) and true[low] > true[high] for at, high in enumerate(order) for low in order[:at]
    )
    assert wrong <= 0.025 * 50 * 49 / 2


def over_rungs(seed: int, promoted: int) -> tuple[list[ScoredDesign], Values]:
    """Proxies of 40 designs that wrongly prefer few bins, longer trainings of the best by them, and the truth."""
    archs, rng = designs(40, seed), np.random.default_rng(seed)
    true = np.array([truth(arch) + 0.02 * (arch.reg_max > 1) for arch in archs])
    proxies = true - 0.05 * np.array([arch.reg_max > 1 for arch in archs]) + 0.01 * rng.standard_normal(40)
    best = list(np.argsort(-proxies)[:promoted])
    longer = 0.3 + true[best] + 0.005 * rng.standard_normal(promoted)
    short = scored(archs, proxies)
    return short + [
        replace(short[at], score=float(score), rung=1) for at, score in zip(best, longer, strict=True)
    ], true


def test_few_long_trainings_correct_what_short_ones_get_wrong() -> None:
    alone, together = [], []
    for seed in range(4):
        every, true = over_rungs(seed, 12)
        short, both = posterior_of(every[:40]), posterior_of(every)
        assert short is not None and both is not None and (short.rung, both.rung) == (0, 1)
        alone.append(kendalltau([one.mean for one in short.estimates], true)[0])
        means = [one.mean for one in both.estimates[:40]]
        together.append(kendalltau(means, true)[0])
        assert abs(np.mean(means) - 0.3 - true.mean()) < 0.05, "read at the level of the longer trainings"
        held = [one.low <= value + 0.3 <= one.high for one, value in zip(both.estimates, true, strict=False)]
        assert np.mean(held) > 0.8
    assert np.mean(together) > np.mean(alone) + 0.05


def test_a_rung_with_few_scores_is_not_read_at() -> None:
    every, _ = over_rungs(0, READ_AT)
    assert [posterior_of(every[: 40 + n]).rung for n in range(READ_AT + 1)] == [0] * READ_AT + [1]  # type: ignore[union-attr]


def test_the_probabilities_of_being_the_best_follow_the_posterior() -> None:
    every, true = over_rungs(1, 12)
    found = posterior_of(every)
    assert found is not None
    likely = found.best_of(range(40))
    assert likely.sum() == pytest.approx(1) and (likely == found.best_of(range(40))).all()
    assert true[int(likely.argmax())] > np.quantile(true, 0.8)
    assert likely[int(np.argmin([one.mean for one in found.estimates[:40]]))] < 0.01


def test_the_processes_are_averaged_one_by_one() -> None:
    count = 150
    some = scored(designs(count, 3), np.random.default_rng(3).random(count))
    posterior_of(some[:LEAST])  # whatever is imported
    tracemalloc.start()
    try:
        assert posterior_of(some) is not None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * 8 * count**2, "all of them together take 200 matrices of the scores"
