"""The estimate against simulated devices whose truth is known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.latency.estimate import RATIO_SLOPE_SD, SLOPE_SD, Calibration, Estimate, fit
from tests.latency.conftest import CALIBRATION
from tests.latency.device import Device, bytes_of

QUIET = Device(clock=(1.0, 1.0), memory=(1.0, 1.0), noise=0.002, bursts=0.0)


@dataclass(frozen=True)
class Trial:
    """One simulated finalist measurement: relative errors of the estimate and of plainer figures."""

    estimate: float
    median: float
    over_compute: float
    over_memory: float
    covered: bool
    half: float


def _trial(device: Device, rng: np.random.Generator) -> Trial:
    """A model of 0.5 to 60 ms, whose slope strays from what its weights foretell as it does in nature."""
    truth = float(np.exp(rng.uniform(np.log(0.5), np.log(60.0))))
    foretold = rng.uniform(0.05, 0.8)
    slope = foretold + SLOPE_SD * rng.standard_normal()
    figures, home = device.slices(rng, [(truth, slope)])
    found = fit(figures, CALIBRATION, [bytes_of(foretold, truth)], home).estimates[0]
    candidate, compute, memory = figures.T
    return Trial(
        found.latency_ms / truth - 1,
        float(np.median(candidate)) / truth - 1,
        float(np.median(candidate / compute)) * CALIBRATION.compute_ms / truth - 1,
        float(np.median(candidate / memory)) * CALIBRATION.memory_ms / truth - 1,
        found.low_ms <= truth <= found.high_ms,
        (found.high_ms - found.low_ms) / 2 / truth,
    )


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    rng = np.random.default_rng(1)
    return [_trial(Device(), rng) for _ in range(200)]


def test_the_estimate_is_within_a_percent_and_its_interval_holds(trials: list[Trial]) -> None:
    errors = np.abs([one.estimate for one in trials])
    assert np.median(errors) < 0.004
    assert np.mean(errors < 0.01) > 0.95
    assert np.mean([one.covered for one in trials]) >= 0.90
    assert np.median([one.half for one in trials]) < 0.012


def test_plainer_figures_are_worse(trials: list[Trial]) -> None:
    typical, bad = (
        {
            name: float(np.quantile(np.abs([getattr(one, name) for one in trials]), share))
            for name in ("estimate", "median", "over_compute", "over_memory")
        }
        for share in (0.5, 0.95)
    )
    for found in (typical, bad):
        assert found["median"] > 20 * found["estimate"]  # the clock and the memory are both in it
        assert found["over_compute"] > 4 * found["estimate"]  # the memory is in it
        assert found["over_memory"] > 4 * found["estimate"]  # a model waits less for the memory than MEMORY does


@pytest.mark.parametrize("memory", [(1.0, 1.3), (0.95, 1.05)], ids=["busy neighbours", "fewer than when calibrated"])
def test_the_interval_holds_where_the_memory_changes(memory: tuple[float, float]) -> None:
    rng = np.random.default_rng(2)
    found = [_trial(Device(memory=memory), rng) for _ in range(100)]
    assert np.mean([one.covered for one in found]) >= 0.90


def _one(device: Device, seed: int = 3, slope: float = 0.4, **more: int) -> Estimate:
    figures, home = device.slices(np.random.default_rng(seed), [(5.0, slope)], **more)
    return fit(figures, CALIBRATION, [bytes_of(0.4, 5.0)], home).estimates[0]


def _half(one: Estimate) -> float:
    return (one.high_ms - one.low_ms) / 2 / one.latency_ms


def _typical_half(device: Device, **more: int) -> float:
    """Half width of the interval as a share, in the median of 20 measurements."""
    return float(np.median([_half(_one(device, seed, **more)) for seed in range(20)]))


def test_a_device_as_calibrated_gives_a_narrow_interval_and_one_that_is_not_a_wider_one() -> None:
    as_calibrated = _typical_half(QUIET)
    assert as_calibrated < 0.007
    # What the memory costs a model cannot be seen where the memory is slow and does not change.
    contended, further = (_typical_half(replace(QUIET, memory=(by, by))) for by in (1.1, 1.25))
    assert contended > 2 * as_calibrated
    assert further > 1.5 * contended


def test_a_slow_clock_widens_nothing() -> None:
    slow = _one(replace(QUIET, clock=(1.4, 1.4)))
    assert slow.latency_ms == pytest.approx(_one(QUIET).latency_ms, rel=1e-9)
    assert _half(slow) == pytest.approx(_half(_one(QUIET)), rel=1e-6)


def test_the_slope_is_seen_where_the_memory_changes_and_foretold_where_not() -> None:
    changing = replace(QUIET, memory=(1.0, 1.3))
    for slope in (0.0, 0.4, 0.9):
        assert _one(changing, slope=slope, slices=20).slope == pytest.approx(slope, abs=0.05)
    still = replace(QUIET, noise=0.0, luck=0.0)
    assert _one(still, slope=0.9).slope == pytest.approx(0.4, abs=0.01)


def test_more_processes_and_more_slices_narrow_the_interval() -> None:
    noisy = replace(QUIET, noise=0.02)
    assert _typical_half(noisy, slices=30, processes=1) < 0.8 * _typical_half(noisy, slices=4, processes=1)
    assert _typical_half(QUIET, processes=3) < 0.9 * _typical_half(QUIET, processes=1)


def test_one_lone_process_knows_its_luck_no_better_than_it_can() -> None:
    # Not a trace of noise: what is left is where the memory came to lie.
    assert 0.006 < _half(_one(replace(QUIET, noise=0.0), processes=1)) < 0.010


def test_a_jump_of_the_clock_within_a_process_is_left_out() -> None:
    figures, home = QUIET.slices(np.random.default_rng(5), [(5.0, 0.4)])
    jumped = figures.copy()
    # The candidate saw the slow clock for half a slice only, so its ratio to COMPUTE is wrong there.
    jumped[3] *= [1.2, 1.4, 1.4]
    jumped[12] *= [1.2, 1.4, 1.4]
    sizes = [bytes_of(0.4, 5.0)]
    found = fit(jumped, CALIBRATION, sizes, home).estimates[0]
    assert len(found.adjusted_ms) == len(figures) - 2
    without = fit(np.delete(figures, [3, 12], axis=0), CALIBRATION, sizes, np.delete(home, [3, 12])).estimates[0]
    assert found.latency_ms == pytest.approx(without.latency_ms)


def test_the_conditions_are_told() -> None:
    device = Device(clock=(1.2, 1.2), memory=(1.07, 1.07), noise=0.0, bursts=0.0, luck=0.0)
    figures, home = device.slices(np.random.default_rng(0), [(5.0, 0.4)])
    conditions = fit(figures, CALIBRATION, [1000], home).conditions
    assert (conditions.clock, conditions.memory) == (pytest.approx(1.2), pytest.approx(1.07))


def test_the_same_figures_give_the_same_interval() -> None:
    assert _one(Device()) == _one(Device())


# --- ratios


def _ratios(second_ms: float, foretold: float, device: Device, measurements: int = 100) -> NDArray[np.float64]:
    """Value, low and high of the ratio of a model to one of 5 ms; (measurements, 3).

    What makes the slopes of both stray from what is foretold they share, up to RATIO_SLOPE_SD.
    """
    rng = np.random.default_rng(6)
    found = []
    for _ in range(measurements):
        first = 0.3 + SLOPE_SD * rng.standard_normal()
        second = first + (foretold - 0.3)
        if second_ms != 5.0 or foretold != 0.3:
            second += RATIO_SLOPE_SD * rng.standard_normal()
        figures, home = device.slices(rng, [(5.0, first), (second_ms, second)])
        ratio = fit(figures, CALIBRATION, [bytes_of(0.3, 5.0), bytes_of(foretold, second_ms)], home).ratios[1]
        found.append((ratio.value, ratio.low, ratio.high))
    return np.array(found)


@pytest.mark.parametrize("memory", [(1.0, 1.0), (1.0, 1.1), (1.0, 1.3)], ids=str)
def test_a_model_and_itself_have_a_ratio_that_covers_one(memory: tuple[float, float]) -> None:
    value, low, high = _ratios(5.0, 0.3, Device(memory=memory)).T
    assert np.median(np.abs(value - 1)) < 0.005
    assert np.mean((low <= 1) & (high >= 1)) >= 0.93


def test_models_that_wait_for_the_memory_differently_have_a_ratio_that_covers_the_truth() -> None:
    value, low, high = _ratios(6.0, 0.5, Device()).T
    assert np.median(np.abs(value - 1.2)) < 0.008
    assert np.mean((low <= 1.2) & (high >= 1.2)) >= 0.90


def test_three_percent_are_told_apart_on_a_device_as_calibrated() -> None:
    value, low, high = _ratios(5.15, 0.3, replace(QUIET, clock=(1.0, 1.3))).T
    assert np.mean(low > 1) >= 0.97
    assert np.mean((low <= 1.03) & (high >= 1.03)) >= 0.93
    assert np.median(value) == pytest.approx(1.03, abs=0.001)


def test_the_first_is_what_the_others_are_compared_with() -> None:
    figures, home = QUIET.slices(np.random.default_rng(0), [(5.0, 0.4), (10.0, 0.4), (2.5, 0.4)])
    sizes = [bytes_of(0.4, ms) for ms in (5.0, 10.0, 2.5)]
    first, double, half = fit(figures, CALIBRATION, sizes, home).ratios
    assert (first.value, first.low, first.high) == (1.0, 1.0, 1.0)
    assert double.low < double.value < double.high and double.value == pytest.approx(2.0, rel=0.01)
    assert half.value == pytest.approx(0.5, rel=0.01)


def test_a_disturbance_of_both_cancels_in_the_ratio() -> None:
    figures, home = replace(QUIET, luck=0.0).slices(np.random.default_rng(0), [(5.0, 0.4), (10.0, 0.4)])
    swing = np.random.default_rng(1).uniform(1.0, 1.1, len(figures))
    disturbed = figures * np.array([swing, swing, np.ones_like(swing), np.ones_like(swing)]).T
    sizes = [bytes_of(0.4, 5.0), bytes_of(0.4, 10.0)]
    found = fit(disturbed, CALIBRATION, sizes, home)
    ratio = found.ratios[1]
    assert (ratio.high - ratio.low) / ratio.value < _half(found.estimates[1])


# --- what it refuses


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (np.ones((1, 3)), "slices >= 2"),
        (np.ones((5, 2)), "candidates \\+ 2"),
        (np.ones((5, 4)), "candidates \\+ 2"),
        (np.ones(3), "slices >= 2"),
        (np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), "positive number"),
        (np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]), "positive number"),
        (np.array([[1.0, 1.0, 1.0], [np.nan, 1.0, 1.0]]), "positive number"),
        (np.array([[1.0, 1.0, 1.0], [np.inf, 1.0, 1.0]]), "positive number"),
    ],
)
def test_figures_that_mean_nothing(figures: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(figures, CALIBRATION, [1000])


def test_a_calibration_survives_a_dictionary() -> None:
    assert Calibration.from_dict(CALIBRATION.to_dict()) == CALIBRATION


def test_weights_a_millisecond_foretell_the_slope() -> None:
    slopes = [CALIBRATION.prior_slope(size, 2.0) for size in (0, 1_000_000, 12_000_000, 10**9)]
    assert slopes[0] == 0.0
    assert slopes == sorted(slopes)
    assert slopes[2] < slopes[3] <= 1.2  # capped: nothing waits for more than all of its time
    assert CALIBRATION.prior_slope(1_000_000, 4.0) == pytest.approx(slopes[1] / 2)
