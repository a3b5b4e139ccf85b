"""Work in processes side by side, of which nothing that is done is lost."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

Result = TypeVar("Result")


def results(function: Callable[..., Result], todo: Iterable[tuple[Any, ...]], jobs: int) -> Iterator[Result]:
    """What a function gives for each tuple of arguments, as it comes.

    After a failure nothing more is begun; what is running still comes, and then the failure is raised.

    Args:
        function: Importable by other processes.
        todo: Its arguments.
        jobs: Processes.
    """
    failure: BaseException | None = None
    left, running = iter(todo), set[Future[Result]]()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        while True:
            if failure is None:
                running |= {pool.submit(function, *arguments) for arguments in islice(left, jobs - len(running))}
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                if (error := one.exception()) is None:
                    yield one.result()
                failure = failure or error
    if failure is not None:
        raise failure
