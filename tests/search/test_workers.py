"""How many trainings run side by side where nobody says, and what they are worth."""

import pytest

from nas.search.workers import MOST_ON_A_GPU, TRAINING_GPU_BYTES, default_workers, speedup


@pytest.mark.parametrize(
    ("cores", "free", "workers"),
    [
        (16, None, 16),
        (16, 100 * TRAINING_GPU_BYTES, MOST_ON_A_GPU),
        (4, 100 * TRAINING_GPU_BYTES, 4),
        (16, 3 * TRAINING_GPU_BYTES - 1, 2),
        (16, TRAINING_GPU_BYTES - 1, 1),
    ],
)
def test_a_gpu_gets_no_more_than_it_has_use_and_memory_for(cores: int, free: int | None, workers: int) -> None:
    assert default_workers(cores, free) == workers


def test_trainings_on_one_gpu_are_as_fast_together_as_was_measured() -> None:
    assert [speedup(count, on_one_gpu=True) for count in (1, 4, 8)] == pytest.approx([1, 3.15, 4.13], rel=0.1)
    assert speedup(8, on_one_gpu=False) == 8
