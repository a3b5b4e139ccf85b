"""How far the first reading of a data set's pictures is: a live line in a terminal, a plain log elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

_WORTH_SHOWING = 1000
"""Pictures that take some seconds."""


class ReadingProgress:
    """Shows a reading on the console; is called with the pictures that are read and all that are to be read."""

    def __init__(self, console: Console) -> None:
        """Show on this console.

        Args:
            console: Where.
        """
        self._console = console
        self._live: Live | None = None
        self._tenth = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __call__(self, done: int, of: int) -> None:
        """Show how far it is; of a few pictures nothing."""
        if of < _WORTH_SHOWING:
            return
        line = f"reads and checks the pictures, this once: {done} of {of}"
        if not self._console.is_terminal:
            if done * 10 // of != self._tenth:
                self._tenth = done * 10 // of
                self._console.print(line, markup=False)
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text(line), refresh=True)
        if done == of:
            self.stop()

    def stop(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None
