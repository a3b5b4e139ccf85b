"""A write to a study, tried again while its storage does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from nas.errors import StorageError
from nas.study.storage import ConnectionLost, StudyStorage

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0

T = TypeVar("T")


def retry_write(
    write: Callable[[], T],
    storage: StudyStorage,
    notice: Callable[[str], None] = lambda text: None,
    *,
    retry_timeout_s: float | None = None,
) -> T:
    """Write to a study; while the storage does not answer, try again.

    Args:
        write: What is done; may be done again where the answer to it was lost.
        storage: Where the study is stored.
        notice: Called when the storage stops answering, and when it answers again.
        retry_timeout_s: For how long; None for the storage's own.

    Returns:
        What `write` returns.

    Raises:
        StorageError: The study cannot be written.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError  # what Optuna itself does not catch while it makes the tables

    retry_timeout_s = storage.retry_timeout_s if retry_timeout_s is None else retry_timeout_s
    deadline: float | None = None
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            found = write()
        except (optuna.exceptions.StorageInternalError, SQLAlchemyError, ConnectionLost) as error:
            cause = cause_of(error)
            now = time.monotonic()
            again = retry_timeout_s > 0 and storage.is_transient(cause)
            if deadline is None and again:
                deadline = now + retry_timeout_s
                notice(
                    f"{storage.label} does not answer ({one_line(cause)}); it is tried again for "
                    f"{retry_timeout_s / 60:g} minutes, and no trial begins meanwhile"
                )
            if deadline is None or now >= deadline or not again:
                raise StorageError(
                    f"{storage.label} cannot be written: {one_line(cause)}; what is finished is kept; "
                    f"{storage.advice}, and the same command goes on"
                ) from error
            time.sleep(min(pause_s, max(0.0, deadline - now)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            if deadline is not None:
                notice(f"{storage.label} answers again")
            return found


def cause_of(error: Exception) -> BaseException:
    """What the driver of the database met."""
    from sqlalchemy.exc import SQLAlchemyError

    met = error if isinstance(error, SQLAlchemyError | ConnectionLost) else error.__cause__
    return getattr(met, "orig", None) or met or error


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
