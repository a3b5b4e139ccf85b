"""How long a search still takes, about, and how many candidates fit into a time."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas.search.effort import Rung, in_proportion
from nas.search.eta import Costs, Done, TimeLeft, fitting, from_now, seconds_left
from nas.search.feasibility import Feasibility
from nas.search.request import Request
from nas.study.rungs import RungStanding
from tests.search.test_rungs import BASELINES
from tests.search.test_rungs_real import request

COSTS = Costs(building=1.0, screening=2.0, first=3.0, step=0.1)
FOUND = Feasibility(0.5, 9.0, BASELINES, ())
BEGUN = RungStanding(400, ("trial-1", "source-96", "trial-2"), ("trial-2",), {}, decided=False)


def test_a_training_at_a_rung_is_left_until_it_has_its_score(tmp_path: Path) -> None:
    asked = replace(request(tmp_path, Rung(400, 8), Rung(1200, 2)), budget=50, workers=1)
    short, long = COSTS.training(400), COSTS.training(1200)

    def left(*rungs: RungStanding) -> float:
        return seconds_left(asked, 2, FOUND, Done(50, 2, rungs), COSTS)

    assert left() == pytest.approx((8 + 2 * 2) * short + (2 + 2) * long)  # two kinds of baselines, each at two rates
    assert left(BEGUN) == pytest.approx((6 + 1 + 2) * short + (2 + 2) * long)
    assert left(replace(BEGUN, decided=True)) == pytest.approx(short + (2 + 2) * long)
    whole = replace(BEGUN, missing=(), decided=True)
    assert left(whole, replace(whole, steps=1200)) == 0


def test_trainings_with_other_seeds_are_left_until_they_are_done(tmp_path: Path) -> None:
    asked = replace(request(tmp_path), rungs=(), budget=50, workers=1, finalist_seeds=3)
    left = [seconds_left(asked, 1, FOUND, Done(50, 2, repeats=repeats), COSTS) for repeats in (0, 1, 8, 9)]
    each = COSTS.training(asked.proxy.steps)
    assert left == pytest.approx([8 * each, 7 * each, 0, 0])


def test_nothing_trains_on_a_machine_while_it_measures(tmp_path: Path) -> None:
    asked = replace(request(tmp_path, Rung(400, 8)), budget=60, workers=8)
    designs = 80  # about a quarter of the designs are rejected
    proxies, after = 60 * COSTS.training(asked.proxy.steps) + designs * COSTS.building, 12 * COSTS.training(400)
    screenings = designs * COSTS.screening

    def left(workers: int, **more: object) -> float:
        return seconds_left(replace(asked, workers=workers, **more), 2, FOUND, Done(0, 2), COSTS)  # type: ignore[arg-type]

    assert left(8) == pytest.approx((proxies + after) / 8 + screenings)
    boards = replace(asked.latency, place="ssh://a ssh://b")
    assert left(8, latency=boards) == pytest.approx((proxies + screenings + after) / 8)
    assert left(8, ray_address="auto") == pytest.approx(max(proxies / 8, screenings) + after / 8)
    assert left(1, ray_address="auto") == pytest.approx(max(proxies, screenings) + after)
    assert left(8, ray_address="auto", latency=boards) == pytest.approx(max(proxies / 8, screenings / 2) + after / 8)


def test_trainings_that_share_a_gpu_are_no_times_faster_than_one(tmp_path: Path) -> None:
    asked = replace(request(tmp_path, Rung(400, 8)), budget=50, workers=8)
    on_gpu = replace(asked, proxy=replace(asked.proxy, device="cuda:0"))

    def trainings(asked: Request) -> float:
        return seconds_left(asked, 2, FOUND, Done(0, 2), replace(COSTS, screening=0.0))

    assert 1.5 * trainings(asked) < trainings(on_gpu) < 8 * trainings(asked)
    assert trainings(replace(on_gpu, workers=1)) == pytest.approx(trainings(replace(asked, workers=1)))


@pytest.mark.parametrize("pace", [0.5, 1.0, 3.0])
def test_the_time_left_follows_the_pace(pace: float) -> None:
    now, expected = 100.0, 60.0
    left = TimeLeft(lambda: expected, clock=lambda: now)
    assert left() == 60  # as it was timed
    estimates = []
    while expected > 0:
        expected -= 6
        now += 6 * pace
        estimates.append(left() / (pace * expected) if expected else left())
    assert estimates[-1] == 0
    assert all(0.7 < one < 1.43 for one in estimates[4:-1])
    assert abs(estimates[0] - 1) >= abs(estimates[-2] - 1)


def test_what_has_passed_and_the_finalists_are_taken_from_the_time(tmp_path: Path) -> None:
    asked = request(tmp_path)
    left = [from_now(replace(asked, max_seconds=most), 300.0).max_seconds for most in (1800.0, 451.0, 60.0)]
    assert left == [1350.0, 1.0, 1.0] and from_now(asked, 300.0) == asked


def test_work_that_is_added_slows_no_pace() -> None:
    now, expected = 0.0, 100.0
    left = TimeLeft(lambda: expected, after=0.0, clock=lambda: now)
    now, expected = 50.0, 50.0
    assert left() == 50
    expected = 150.0  # proxies were lengthened
    assert left() == 150
    assert TimeLeft(lambda: 30.0, after=20.0, clock=lambda: now)() == 50


@pytest.mark.parametrize("done", [Done(0, 0), Done(10, 2, (replace(BEGUN, missing=()),))])
def test_what_is_planned_fits_into_the_time_and_one_more_does_not(done: Done, tmp_path: Path) -> None:
    whole = replace(request(tmp_path, Rung(400, 8), Rung(1200, 2)), budget=50, workers=2)
    seconds = [seconds_left(whole, 2, FOUND, done, COSTS) * share for share in (0.6, 0.75, 0.9)]
    for most in seconds:
        planned = fitting(replace(whole, max_seconds=most), 2, FOUND, done, COSTS)
        assert done.candidates < planned.budget < 50 and planned.rungs[0].places <= 8
        assert [rung.steps for rung in planned.rungs] == [400, 1200] and planned.rungs[1].places >= 1
        assert seconds_left(planned, 2, FOUND, done, COSTS) <= most
        more = replace(
            planned, budget=planned.budget + 1, rungs=in_proportion(whole.rungs, whole.budget, planned.budget + 1)
        )
        assert seconds_left(more, 2, FOUND, done, COSTS) > most
    assert fitting(replace(whole, max_seconds=1.0), 2, FOUND, done, COSTS).budget == done.candidates + 1
    assert fitting(replace(whole, max_seconds=1e9), 2, FOUND, done, COSTS).budget == 50
    for unplanned in (replace(whole, max_seconds=None), replace(whole, rungs=(), max_seconds=1.0)):
        assert fitting(unplanned, 2, FOUND, done, COSTS) == unplanned
