"""How proxies are judged: concordance within bands, regret, and ratios from disturbed rounds."""

from dataclasses import replace

import numpy as np
import pytest

from nas.space.reference_designs import yolo11


def test_only_pairs_within_a_band_count() -> None:
    from benchmarks.proxies import quality

    truth = np.array([0.1, 0.2, 0.3])
    right, wrong = (truth, truth), (-truth, truth)
    assert quality.pooled_tau([right]) == 1 and quality.pooled_tau([wrong]) == -1
    assert quality.pooled_tau([right, wrong]) == 0
    # A score that only tells the bands apart says nothing within them.
    assert quality.pooled_tau([(np.zeros(3), truth), (np.ones(3), truth + 1)]) == 0


def test_regret_is_in_points_of_map() -> None:
    from benchmarks.proxies import quality

    truth = np.array([0.40, 0.45, 0.43])
    assert quality.regret(np.array([1.0, 2.0, 3.0]), truth) == pytest.approx(2.0)
    assert quality.regret(truth, truth) == 0


def test_regret_among_halves_and_correlation_within_parts() -> None:
    from benchmarks.proxies import quality

    truth = np.array([0.40, 0.42, 0.44, 0.46])
    assert quality.usual_regret(truth, truth) == 0
    # The pairs of four, 2 points apart a place, of which the worse is always liked best: (3 x 2 + 2 x 4 + 1 x 6) / 6.
    assert quality.usual_regret(-truth, truth) == pytest.approx(20 / 6, rel=0.1)
    assert quality.correlation([(truth, truth), (truth + 1, truth * 2)]) == pytest.approx(0.95, abs=0.05)
    assert quality.correlation([(-truth, truth)]) == pytest.approx(-1)


def test_the_interval_of_several_seeds_holds_their_mean() -> None:
    from benchmarks.proxies import quality

    rng = np.random.default_rng(2)
    truth = rng.random(16)
    seeds = np.stack([truth, -truth, truth + rng.normal(0, 0.3, 16)], axis=1)  # right, wrong, and between
    mean = quality.mean_tau([(seeds, truth)])
    assert mean == pytest.approx(quality.pooled_tau([(seeds[:, 2], truth)]) / 3)
    low, high = quality.interval([(seeds, truth)], quality.mean_tau)
    assert low < mean < high < 0.5


def test_the_bootstrap_holds_the_value() -> None:
    from benchmarks.proxies import quality

    rng = np.random.default_rng(1)
    truth = rng.random(16)
    part = (truth + rng.normal(0, 0.2, 16), truth)
    low, high = quality.interval([part], quality.pooled_tau)
    assert -1 <= low < quality.pooled_tau([part]) < high <= 1


def test_the_ceiling_is_what_the_noise_of_the_truth_allows() -> None:
    from benchmarks.proxies import quality

    rng = np.random.default_rng(3)
    worth = rng.normal(0.4, 0.03, 4000)
    noisy = worth[:, None] + rng.normal(0, 0.03, (4000, 2))
    group = [quality.Truth(str(i), "target", False, tuple(map(float, seeds))) for i, seeds in enumerate(noisy[:400])]
    best = quality.ceiling(group)
    assert 0.45 < best(1) < best(2) < best(10) < 1
    measured = quality.pooled_tau([(worth[:2000], noisy[:2000, 0])])
    assert best(1) == pytest.approx(measured, abs=0.06)
    again = quality.pooled_tau([(noisy[:400, 0], noisy[:400, 1])])
    assert quality.seed_against_seed(group) == pytest.approx(again)
    assert quality.seed_against_seed(group) < best(1)


def test_places_are_counted_by_what_the_head_has_to_learn() -> None:
    from benchmarks.proxies import quality

    keys = [yolo11("n", size).canonical().key for size in (96, 128)]
    keys += [replace(yolo11("n", size), reg_max=1).canonical().key for size in (96, 128)]
    known = [quality.Truth(key, "target", False, (0.1 * place,)) for place, key in enumerate(keys, 1)]
    turned = {key: (score, 1.0) for key, score in zip(keys, (0.3, 0.4, 0.1, 0.2), strict=True)}
    few, many, together = quality.misplaced(known, turned)
    assert few == "reg_max 1: +2.0 places of 4 (2 architectures)"
    assert many == "reg_max 16: -2.0 places of 4 (2 architectures)"
    assert "reg_max and the places -1.00" in together


def test_one_seed_tells_no_ceiling() -> None:
    from benchmarks.proxies import quality

    group = [quality.Truth(str(i), "target", False, (0.1 * i,)) for i in range(3)]
    assert np.isnan(quality.seed_against_seed(group))
    assert quality.describe("target", group).endswith("0 of them with several seeds")


def test_a_stopped_training_is_judged_by_the_other_seeds() -> None:
    from benchmarks.proxies import quality

    known = [
        quality.Truth("a", "target", False, (0.9, 0.1, 0.3), {50: 0.2, 100: 0.9}, 10.0),
        quality.Truth("b", "target", False, (0.5, 0.4, 0.4), {50: 0.3, 100: 0.5}, 20.0),
        quality.Truth("c", "target", False, (0.5,), {50: 0.1, 100: 0.5}, 20.0),
    ]
    (half, several, scores), (whole, _, last) = quality.stopped_early(known)
    assert (half, whole) == ("50 of 100 steps", "100 of 100 steps")
    assert [one.seeds for one in several] == [(0.1, 0.3), (0.4, 0.4)]
    assert scores == {"a": (0.2, 5.0), "b": (0.3, 10.0)}
    assert last == {"a": (0.9, 10.0), "b": (0.5, 20.0)}


def test_a_disturbed_round_does_not_move_a_ratio() -> None:
    from benchmarks.common import paired

    rounds = np.tile([1.0, 0.8], (21, 1)) * np.linspace(1, 3, 21)[:, None]
    rounds[3, 1] = 9  # something else ran
    found = paired.summary(rounds, 1)
    assert found.ratio == pytest.approx(0.8) and found.low == pytest.approx(0.8) == found.high


def test_a_curve_is_extrapolated_by_its_law() -> None:
    from benchmarks.proxies import quality

    steps = (100, 200, 300, 400)
    values = [0.5 - 2.0 * step**-0.6 for step in steps]
    assert quality.extrapolated(values, steps, 1200) == pytest.approx(0.5 - 2.0 * 1200**-0.6, abs=1e-3)
