"""A disturbed machine is asked again; a model that cannot be measured is not."""

import pytest

from nas.errors import Busy, DeviceLost, LatencyError, Unmeasurable
from nas.latency.measurement_retry import SURE, repeat_until_precise, retry_while_disturbed

FOUND = object()


def test_it_asks_again_until_there_is_a_number() -> None:
    answers = iter([Unmeasurable("noise"), Unmeasurable("noise"), FOUND])
    waited: list[float] = []

    def measure() -> object:
        answer = next(answers)
        if isinstance(answer, Unmeasurable):
            raise answer
        return answer

    told: list[str] = []
    assert retry_while_disturbed(measure, waited.append, notice=told.append) is FOUND
    assert waited == [2.0, 10.0]
    assert told == ["noise (asked again in 2 s)", "noise (asked again in 10 s)"]


def test_it_gives_up_with_the_reason() -> None:
    def noisy() -> object:
        raise Unmeasurable("noise")

    waited: list[float] = []
    with pytest.raises(Unmeasurable, match="noise"):
        retry_while_disturbed(noisy, waited.append)
    assert len(waited) == 3


def test_a_broken_model_is_not_tried_again() -> None:
    def broken() -> object:
        raise LatencyError("no such operator")

    with pytest.raises(LatencyError, match="no such operator"):
        retry_while_disturbed(broken, lambda seconds: pytest.fail("waited"))


@pytest.mark.parametrize(
    ("widths", "kept", "asked"),
    [
        ([SURE], 0, 1),
        ([0.05, 0.01], 1, 2),
        ([0.05, 0.03, 0.04], 1, 3),
        ([0.03, 0.05, 0.04], 0, 3),
    ],
)
def test_an_unsure_answer_is_asked_again_and_the_surest_kept(widths: list[float], kept: int, asked: int) -> None:
    waited: list[float] = []
    told: list[str] = []
    answers = iter(enumerate(widths))
    found = repeat_until_precise(lambda: next(answers), lambda one: one[1], sleep=waited.append, notice=told.append)
    assert found == (kept, widths[kept]) and waited == [2.0, 8.0][: asked - 1]
    assert told == [
        f"known to ±{min(widths[: i + 1]):.1%} only (measured again in {waited[i]:.0f} s)" for i in range(asked - 1)
    ]


@pytest.mark.parametrize("lost", [Unmeasurable("noise"), Busy("another measures"), DeviceLost("the cable")])
def test_a_second_try_that_fails_does_not_lose_the_first(lost: LatencyError) -> None:
    answers = iter([0.04, lost, 0.03])

    def measure() -> float:
        answer = next(answers)
        if isinstance(answer, LatencyError):
            raise answer
        return answer

    assert repeat_until_precise(measure, lambda one: one, sleep=lambda seconds: None) == 0.03


def test_what_is_enough_is_not_asked_again() -> None:
    answers = iter([0.05, 0.04, 0.01])
    kept = repeat_until_precise(lambda: next(answers), lambda one: one, lambda one: one < 0.045, lambda seconds: None)
    assert kept == 0.04


def test_a_disturbed_first_try_is_refused() -> None:
    def noisy() -> float:
        raise Unmeasurable("noise")

    with pytest.raises(Unmeasurable):
        repeat_until_precise(noisy, lambda one: one, sleep=lambda seconds: None)
