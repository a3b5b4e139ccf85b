"""Standard input, output and error that do not end a command, whatever stands behind them.

A command's work is in its files. So output that cannot be written is said once, on standard error, and the command goes
on; a reader that has seen enough (`| head -1`) is not worth a word.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Output(io.FileIO):
    """An open descriptor to write to; what can no longer be written is dropped.

    Attributes:
        lost: Why something could not be written; None while everything was, or its reader wanted no more.
    """

    def __init__(self, descriptor: int) -> None:
        """Write to an open descriptor, which stays open."""
        super().__init__(descriptor, "w", closefd=False)
        self.lost: str | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, or drop; returns how many bytes are done with."""
        try:
            return super().write(data)
        except OSError as error:
            # From now on to nowhere, also for libraries that write to the descriptor themselves.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                self.lost = error.strerror or str(error)
                if self.fileno() != 2:
                    print(f"ghostnas: standard output cannot be written: {self.lost}", file=sys.stderr, flush=True)
            return memoryview(data).nbytes


def sound() -> Output | None:
    """Make the three streams usable, where they are this process's own; returns standard output's descriptor.

    A closed one would be given to the next file that is opened, a database say, and what is printed would go there.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free number: this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stderr, _ = _kept(sys.stderr, 2)
    sys.stdout, output = _kept(sys.stdout, 1)
    return output


def _kept(stream: TextIO | None, descriptor: int) -> tuple[TextIO, Output | None]:
    """A text stream that drops what cannot be written, and escapes what its encoding lacks."""
    if stream is not None and not (isinstance(stream, io.TextIOWrapper) and _number(stream) == descriptor):
        return stream, None  # somebody in this process collects what is printed
    raw = Output(descriptor)
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace"), raw
    stream.flush()
    unbuffered = stream.write_through
    made = io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=unbuffered,
    )
    return made, raw


def _number(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None
