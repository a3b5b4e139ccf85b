"""How much of the limits on its size a design takes, before anything is measured of it."""

from collections.abc import Callable

from nas.architecture import Architecture, to_yaml
from nas.errors import GhostnasError
from nas.search.evaluate import Task
from nas.util.machine_lock import MachineLock

_FLOAT32_BYTES = 4


def no_size_limit(design: Architecture) -> float:
    """No limit, no share."""
    return 0.0


def size_share(task: Task) -> Callable[[Architecture], float]:
    """From a design to the largest share that it takes of a limit on size; more than one is certain to miss.

    Parameters and GFLOPs are counted. The ONNX file is taken to have its float32 weights alone, which is a little less
    than it has.

    Args:
        task: How the search evaluates.
    """
    limits = task.limits
    if limits.max_params is limits.max_gflops is limits.max_bytes is None:
        return no_size_limit

    def share(design: Architecture) -> float:
        from nas.model import build, count

        try:
            with MachineLock().training():  # building a model keeps a core busy
                found = count(build(to_yaml(design, task.classes), seed=0), design.imgsz)
        except GhostnasError:
            return 0.0  # what cannot be built fails where trials are evaluated
        return limits.size_used(found.params, found.gflops, _FLOAT32_BYTES * found.params)

    return share
