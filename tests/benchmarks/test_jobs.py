"""Work side by side: what is done comes, also beside a failure, and the failure is raised."""

import math

import pytest

from benchmarks.common.jobs import results


def test_what_is_done_beside_a_failure_is_not_lost() -> None:
    found = []
    with pytest.raises(ValueError, match=r"negative|domain"):
        for value in results(math.sqrt, [(4.0,), (-1.0,), (9.0,), (16.0,), (25.0,)], jobs=2):
            found.append(value)
    assert 2.0 in found and 25.0 not in found


def test_everything_comes() -> None:
    assert sorted(results(math.sqrt, [(float(value**2),) for value in range(5)], jobs=2)) == [0, 1, 2, 3, 4]
