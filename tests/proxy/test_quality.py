"""How proxies are judged: concordance within bands, regret, and ratios from disturbed rounds."""

import numpy as np
import pytest

from tests.scripts import script


def test_only_pairs_within_a_band_count() -> None:
    quality = script("proxy_quality")
    truth = np.array([0.1, 0.2, 0.3])
    right, wrong = (truth, truth), (-truth, truth)
    assert quality.pooled_tau([right]) == 1 and quality.pooled_tau([wrong]) == -1
    assert quality.pooled_tau([right, wrong]) == 0
    # A score that only tells the bands apart says nothing within them.
    assert quality.pooled_tau([(np.zeros(3), truth), (np.ones(3), truth + 1)]) == 0


def test_regret_is_in_points_of_map() -> None:
    quality = script("proxy_quality")
    truth = np.array([0.40, 0.45, 0.43])
    assert quality.regret(np.array([1.0, 2.0, 3.0]), truth) == pytest.approx(2.0)
    assert quality.regret(truth, truth) == 0


def test_the_bootstrap_holds_the_value() -> None:
    quality = script("proxy_quality")
    rng = np.random.default_rng(1)
    truth = rng.random(16)
    part = (truth + rng.normal(0, 0.2, 16), truth)
    low, high = quality.interval([part], quality.pooled_tau)
    assert -1 <= low < quality.pooled_tau([part]) < high <= 1


def test_one_seed_of_the_truth_as_a_proxy() -> None:
    quality = script("proxy_quality")
    known = [quality.Truth(str(i), "target", False, (i / 10, i / 10, i / 10), {}) for i in range(5)]
    assert quality.one_seed(known) == 1
    assert np.isnan(quality.one_seed([quality.Truth("a", "target", False, (0.1,), {})]))


def test_a_disturbed_round_does_not_move_a_ratio() -> None:
    paired = script("paired")
    rounds = np.tile([1.0, 0.8], (21, 1)) * np.linspace(1, 3, 21)[:, None]
    rounds[3, 1] = 9  # something else ran
    found = paired._summary(rounds, 1)
    assert found.ratio == pytest.approx(0.8) and found.low == pytest.approx(0.8) == found.high
