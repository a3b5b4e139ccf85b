"""How many trainings side by side one GPU bears: steps a second of all together, and memory."""

import multiprocessing
import time
from multiprocessing.synchronize import Barrier

import torch
from findings import Check, started

SECONDS = 4.0
DESIGN = "ghostnetv2-n"


def worker(
    rank: int, counts: tuple[int, ...], barrier: Barrier, check: Check, made: "multiprocessing.Queue[int]"
) -> None:
    """Train in every phase that has room for this worker; a context is made in the first of them."""
    from loop import Loop, design

    torch.set_num_threads(1)
    loop = None
    for count in counts:
        if rank < count and loop is None:
            loop = Loop(design(DESIGN, 64 if check.dry else 160), check.device, batch=4 if check.dry else 16)
            for _ in range(1 if check.dry else 5):
                loop.step()
        barrier.wait(90)
        steps, until = 0, time.monotonic() + SECONDS
        while loop is not None and time.monotonic() < until:
            loop.step()
            steps += 1
        if not check.dry:
            torch.cuda.synchronize() if loop is not None else None
        made.put(steps)
        barrier.wait(90)  # memory is read while all contexts are there


def main() -> None:
    """Every phase."""
    check = started(4)
    counts = (1, 2) if check.dry else (1, 4, 8, 16)
    context = multiprocessing.get_context("spawn")
    barrier, made = context.Barrier(max(counts) + 1), context.Queue()
    workers = [
        context.Process(target=worker, args=(rank, counts, barrier, check, made), daemon=True)
        for rank in range(max(counts))
    ]
    for one in workers:
        one.start()
    single = 0.0
    for count in counts:
        barrier.wait(90)
        began = time.monotonic()
        steps = sum(made.get(timeout=60) for _ in workers)
        rate = steps / (time.monotonic() - began)
        single = single or rate
        used = None
        if not check.dry:
            free, whole = torch.cuda.mem_get_info(0)
            used = round((whole - free) / 2**30, 2)
        check.note(
            f"steps a second of {count} trainings side by side, {DESIGN}",
            round(rate, 1),
            "steps/s",
            times_one=round(rate / single, 2),
            used_gib=used,
        )
        barrier.wait(90)
    for one in workers:
        one.join(10)


if __name__ == "__main__":
    main()
