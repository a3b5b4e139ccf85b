"""Replayed policies: what they pick, what it is worth by seeds they did not see, and what it costs; what is luck."""

import numpy as np
import pytest

from nas.space.reference_designs import yolo11
from nas.surrogate import ScoredDesign


def table(scores: dict[int, list[list[float]]], truth: list[list[float]]):  # type: ignore[no-untyped-def]
    from benchmarks.search.rungs import Table

    designs = tuple(ScoredDesign(yolo11("n", 96), 1000, float(at), 0.0) for at in range(len(truth)))
    return Table("made, target", designs, {rung: np.array(all_) for rung, all_ in scores.items()}, np.array(truth))


# Four designs, two seeds. Proxies like the first, then the second; 400 steps the third, of two the second; the end the
# fourth. Worth 10, 20, 30 and 40 points less 25 in the mean, to either seed.
FOUR = (
    {
        45: [[0.9, 0.8], [0.8, 0.7], [0.2, 0.6], [0.1, 0.1]],
        400: [[0.1, 0.1], [0.2, 0.2], [0.4, 0.4], [0.3, 0.3]],
        1200: [[0.1, 0.1], [0.5, 0.5], [0.3, 0.3], [0.9, 0.9]],
    },
    [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3], [0.4, 0.4]],
)


@pytest.mark.parametrize(
    ("rungs", "worth", "steps", "anew"),
    [
        (((45, 4),), -15, 180, 180),
        (((45, 4), (400, 2)), -5, 180 + 2 * 355, 180 + 2 * 400),
        (((45, 4), (400, 3)), 5, 180 + 3 * 355, 180 + 3 * 400),
        (((45, 4), (400, 3), (1200, 2)), -5, 180 + 3 * 355 + 2 * 800, 180 + 3 * 400 + 2 * 1200),
        (((400, 4),), 5, 1600, 1600),
        (((1200, 4),), 15, 4800, 4800),
    ],
)
def test_a_policy_picks_by_what_it_trained(
    rungs: tuple[tuple[int, int], ...], worth: float, steps: int, anew: int
) -> None:
    from benchmarks.search.race import Policy, gain

    policy = Policy(rungs)
    assert gain(policy, table(*FOUR)) == pytest.approx(worth)
    assert policy.cost(2, anew=False) * 180 == pytest.approx(steps)
    assert policy.cost(2, anew=True) * 180 == pytest.approx(anew)


def test_proxies_again_are_the_other_seeds_of_the_best_alone() -> None:
    from benchmarks.search.race import Policy, pick

    pool = table({45: [[0.9, 0.0, 0.0], [0.8, 0.7, 0.6], [0.2, 1.0, 1.0]]}, [[0.0]] * 3)
    two, all_ = Policy(((45, 3), (45, 2))), Policy(((45, 3), (45, 3)))
    assert [pick(two, pool, seed, 0) for seed in range(3)] == [1, 2, 2]
    assert [pick(all_, pool, seed, 0) for seed in range(3)] == [2, 2, 2]
    assert (two.name, Policy(((45, 3), (400, 2))).name) == ("45 each, 2 again", "45 each, 2 to 400")
    assert two.cost(3, anew=False) * 3 * 45 == 45 * (3 + 2 * 2)


def test_the_truth_leaves_out_the_seed_that_was_looked_at() -> None:
    from benchmarks.search.race import Policy, gain
    from benchmarks.search.rungs import others

    val = np.array([[0.9, 0.1, 0.2], [0.1, 0.3, 0.5]])
    truth = others(val)
    assert truth == pytest.approx(np.array([[0.15, 0.55, 0.5], [0.4, 0.3, 0.2]]))
    pool = table({45: [[0.0], [1.0]], 400: val.tolist()}, truth.tolist())
    # Seed 0 picks the first, seeds 1 and 2 the second: each half of what it lies above or below the other.
    assert gain(Policy(((45, 2), (400, 2))), pool) == pytest.approx(100 * (-0.125 - 0.125 - 0.15) / 3)


def test_an_order_of_ones_own_promotes_and_picks() -> None:
    from benchmarks.search.race import Policy, pick

    def last(pool: object, scores: dict[int, dict[int, tuple[float, ...]]]) -> list[int]:
        return sorted(scores[45], reverse=True)

    assert pick(Policy(((45, 4), (400, 2)), last), table(*FOUR), 0, 0) == 3


def test_a_process_over_rungs_orders_those_that_went_furthest() -> None:
    from benchmarks.search.race import ordered, probable

    sizes = (96, 128, 160)
    designs = [ScoredDesign(yolo11("n", size, width), 1000, 1.0, 0.0) for size in sizes for width in (0.5, 1.0)] * 2
    pool = type("Pool", (), {"designs": designs})
    scores = {45: {at: (0.1 * (at % 6) + (0.01 if at < 6 else 0.0),) for at in range(12)}}
    assert probable(pool, scores)[0] % 6 == 5 and sorted(probable(pool, scores)) == list(range(12))
    longer = {**scores, 400: {at: (0.1 * at,) for at in (1, 2, 5)}}
    assert probable(pool, longer)[0] == 5 and sorted(probable(pool, longer)) == [1, 2, 5]
    few = {45: {at: scores[45][at] for at in range(3)}}
    assert probable(pool, few) == ordered(pool, few)


def test_luck_and_worth_are_told_apart() -> None:
    from benchmarks.search import rungs

    rng, count = np.random.default_rng(0), 4000
    worth = rng.normal(0, 0.03, (count, 1))
    luck = rng.normal(0, 0.02, (count, 3))
    scores = {rung: worth + luck + rng.normal(0, 0.01, (count, 3)) for rung in rungs.RUNGS if rung != rungs.FIRST}
    scores[rungs.FIRST] = -worth + rng.normal(0, 0.03, (count, 2))
    one = rungs.Table("made, target", (), scores, rungs.others(scores[rungs.VAL]))
    across, along = rungs.covariances(one)
    assert rungs.noise_shares(across, along) == pytest.approx([0.5] + [5 / 14] * 7, abs=0.03)
    real, noise = rungs.correlations(across), rungs.correlations(along - across)
    assert real[0, 1:] == pytest.approx(-np.ones(7), abs=0.03) and real[1, 2] == pytest.approx(1, abs=0.03)
    assert noise[1, 2] == pytest.approx(0.8, abs=0.03) and noise[0, 1] == 0
