"""A disturbed machine is asked again; a model that cannot be measured is not."""

import pytest

from nas.errors import LatencyError, Unmeasurable
from nas.latency.patience import patiently

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
    assert patiently(measure, waited.append, notice=told.append) is FOUND
    assert waited == [2.0, 10.0]
    assert told == ["noise (asked again in 2 s)", "noise (asked again in 10 s)"]


def test_it_gives_up_with_the_reason() -> None:
    def noisy() -> object:
        raise Unmeasurable("noise")

    waited: list[float] = []
    with pytest.raises(Unmeasurable, match="noise"):
        patiently(noisy, waited.append)
    assert len(waited) == 3


def test_a_broken_model_is_not_tried_again() -> None:
    def broken() -> object:
        raise LatencyError("no such operator")

    with pytest.raises(LatencyError, match="no such operator"):
        patiently(broken, lambda seconds: pytest.fail("waited"))
