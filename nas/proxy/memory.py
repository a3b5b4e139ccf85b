"""A training machine's memory: what is said where it ends, and how a GPU's is given back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nas.errors import OutOfMemory

_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED", "can't allocate memory")


@contextmanager
def enough_memory(doing: str, device: torch.device) -> Iterator[None]:
    """Says what ran out of memory inside, and where.

    Args:
        doing: What needs the memory, for the message.
        device: Where most of it is needed.

    Raises:
        OutOfMemory: There is not enough memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        # Without the traceback, whose frames hold what fills the memory: the next training needs it.
        raise OutOfMemory(
            f"out of memory on {device}: {doing} does not fit beside what else is there; use fewer --workers, smaller "
            "pictures (--imgsz), or a device with more free memory"
        ) from error.with_traceback(None)


def _lacks_memory(error: Exception) -> bool:
    # CUDA's allocator has a class of its own. A context, cuBLAS, cuDNN and a CPU's allocator only say it.
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    return said or isinstance(error, torch.OutOfMemoryError | MemoryError)


def release(device: torch.device) -> None:
    """Give a GPU's memory that nothing uses any more back to other processes; a CPU's is theirs already.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
