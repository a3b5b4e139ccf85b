"""How many trainings run side by side on one machine, and how much faster they are together."""

TRAINING_GPU_BYTES = 3 * 2**30
"""Memory that a trial gets on a GPU: CUDA itself, a model of the shipped spaces, 16 pictures and their activations."""

MOST_ON_A_GPU = 8
"""More were not seen to help one GPU (results/reference/gpu): what 8 add to 4 is a third."""

_GPU_SHARE = 0.12
"""Share of a training on a GPU that does not overlap with others: 4 were 3.15 times as fast as one, 8 4.13 times."""


def default_workers(cores: int, free_bytes: int | None) -> int:
    """Worker processes where a user does not say: one a core, on a GPU no more than it has use and memory for.

    Args:
        cores: Of this machine.
        free_bytes: Free memory of the GPU that trains; None where the CPU does.
    """
    if free_bytes is None:
        return cores
    return max(1, min(cores, MOST_ON_A_GPU, free_bytes // TRAINING_GPU_BYTES))


def speedup(workers: int, *, on_one_gpu: bool) -> float:
    """How many times as fast as one training several are together.

    Args:
        workers: Trainings side by side, at least one.
        on_one_gpu: Whether they share a GPU; otherwise each has a core of its own.
    """
    return workers / (1 + _GPU_SHARE * (workers - 1)) if on_one_gpu else float(workers)
