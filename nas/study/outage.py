"""A write to a study, tried again while its storage does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from nas.errors import StorageError
from nas.study.storage import ConnectionLost, StudyStorage

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0

T = TypeVar("T")


def carried_out(
    write: Callable[[], T],
    storage: StudyStorage,
    notice: Callable[[str], None] = lambda text: None,
    *,
    patience_s: float | None = None,
) -> T:
    """Write to a study; while the storage does not answer, try again.

    Args:
        write: What is done; may be done again where the answer to it was lost.
        storage: Where the study is stored.
        notice: Called when the storage stops answering, and when it answers again.
        patience_s: For how long; None for as long as the storage has patience.

    Returns:
        What `write` returns.

    Raises:
        StorageError: The study cannot be written.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError  # what Optuna itself does not catch while it makes the tables

    patience_s = storage.patience_s if patience_s is None else patience_s
    deadline: float | None = None
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            found = write()
        except (optuna.exceptions.StorageInternalError, SQLAlchemyError, ConnectionLost) as error:
            cause = cause_of(error)
            now = time.monotonic()
            passes = patience_s > 0 and storage.passes(cause)
            if deadline is None and passes:
                deadline = now + patience_s
                notice(
                    f"{storage.label} does not answer ({one_line(cause)}); it is tried again for {patience_s / 60:g} "
                    "minutes, and no trial begins meanwhile"
                )
            if deadline is None or now >= deadline or not passes:
                raise StorageError(
                    f"{storage.label} cannot be written: {one_line(cause)}; what is finished is kept: {storage.mend}, "
                    "and the same command goes on"
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
