"""The gain on val and its interval: what other pictures and other seeds might have made of it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from nas.proxy.validation import Detected, Matched, score_of
from nas.search.gain import INHERITED_SEED_SD, SEED_SD, gain_of, paired_difference, seed_sd
from nas.study.finalists import Finalist, Finalists
from nas.study.gain import Gain
from nas.study.store import StoredStudy
from tests.results.searched import BEST, RIVAL, outcome
from tests.trained_run import SETTINGS

GAIN = Gain("trial-3", "source-96", ("a", "b"), 0.04, 0.012, 0.016, 40)


def picture(random: Generator, objects: int, skills: tuple[float, float]) -> tuple[Matched, Matched]:
    """What a better and a worse design detect in the same picture, of which some are hard for both."""
    truth, hard = random.integers(0, 2, objects).astype(np.float32), random.uniform(0.6, 1.0)

    def seen(skill: float) -> Matched:
        reached = random.random(objects) * skill * hard * 2  # the IoU goes up with the skill
        right = np.clip(reached, 0, 1)[:, None] > np.linspace(0.5, 0.95, 10)
        return Matched(right, random.random(objects).astype(np.float32), truth, truth)

    better, worse = skills
    return seen(better), seen(worse)


def val(random: Generator, pictures: int) -> tuple[list[Matched], list[Matched]]:
    found = [picture(random, int(random.integers(1, 5)), (0.9, 0.7)) for _ in range(pictures)]
    return [ours for ours, _ in found], [theirs for _, theirs in found]


def test_the_interval_is_as_wide_as_other_pictures_differ() -> None:
    random = np.random.default_rng(0)
    sets = [val(random, 60) for _ in range(60)]
    differences = [score_of(ours).map50_95 - score_of(theirs).map50_95 for ours, theirs in sets]
    found = [paired_difference(*one) for one in sets[:8]]
    assert [difference for difference, _, _ in found] == pytest.approx(differences[:8])
    assert np.mean([sd for _, sd, _ in found]) == pytest.approx(np.std(differences), rel=0.3)


def test_the_same_design_differs_from_itself_by_nothing() -> None:
    ours, _ = val(np.random.default_rng(1), 10)
    assert paired_difference(ours, ours) == (0.0, 0.0, 10)


def test_pictures_without_an_object_leave_no_group_without_one() -> None:
    random = np.random.default_rng(2)
    nothing = Matched(np.zeros((0, 10), bool), *(np.zeros(0, np.float32),) * 3)
    ours, theirs = val(random, 2)
    difference, sd, groups = paired_difference([nothing] * 20 + ours, [nothing] * 20 + theirs)
    assert math.isfinite(difference) and math.isfinite(sd) and groups == 2


def seen_in_val(found: bool) -> list[Detected]:
    """Four pictures with an object each, which is found in all of them or in none."""
    box, one = np.array([[0, 0, 50, 50]], np.float32), np.ones(1, np.float32)
    return [Detected(box if found else box + 100, one, one, box, one)] * 4


def test_a_gain_is_found_once_and_kept_for_its_files(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    looked_at: list[str] = []

    def seen(one: Finalist) -> list[Detected] | None:
        looked_at.append(one.record.label)
        return None if one.final.file == "gone" else seen_in_val(one.record.label == BEST)

    study = StoredStudy(tmp_path, SETTINGS, {"x": 2})
    finalists = Finalists(list(found.front), list(found.baselines), [])

    def gain(of: Finalists) -> Gain | None:
        return gain_of(study, seen, of, inherited=False)  # type: ignore[arg-type]

    first = gain(finalists)
    assert first is not None and (first.label, first.rival, first.groups) == (BEST, RIVAL, 4)
    assert first.difference == pytest.approx(0.995) and first.seeds_sd == pytest.approx(SEED_SD[1200] * 2**0.5)
    assert gain(finalists) == first and looked_at == [BEST, RIVAL]
    other = StoredStudy(tmp_path / "from", SETTINGS, {"x": 2})
    again = gain_of(other, seen, finalists, inherited=True)  # type: ignore[arg-type]
    assert again is not None and again.seeds_sd == pytest.approx(INHERITED_SEED_SD * 2**0.5)
    other.close()
    looked_at[2:] = []
    shorter = [replace(one, rungs={400: one.rungs[400]}) for one in found.baselines]
    assert gain(finalists._replace(baselines=shorter)) is None  # of two lengths of training
    ahead = [replace(one, meets_target=False) for one in found.front]
    assert gain(finalists._replace(front=ahead)) is None and looked_at == [BEST, RIVAL]
    gone = [replace(one, final=replace(one.final, file="gone")) for one in found.baselines]
    assert gain(finalists._replace(baselines=gone)) is None
    study.close()


@pytest.mark.parametrize(
    ("steps", "sd"), [(100, 0.024), (400, 0.024), (600, 0.0186), (693, 0.01697), (1200, 0.012), (9000, 0.012)]
)
def test_seeds_differ_less_after_more_steps(steps: int, sd: float) -> None:
    assert seed_sd(steps) == pytest.approx(sd, abs=5e-5)


def test_a_gain_is_read_as_it_was_kept() -> None:
    assert Gain.from_dict(GAIN.to_dict()) == GAIN


@pytest.mark.parametrize(("groups", "quantile"), [(2, 12.706), (5, 2.776), (40, 2.023)])
def test_few_groups_of_pictures_make_a_wide_interval(groups: int, quantile: float) -> None:
    half = math.hypot(quantile * 0.012, 1.96 * 0.016)
    assert replace(GAIN, groups=groups).interval == pytest.approx((0.04 - half, 0.04 + half), abs=1e-4)
