"""Talking with a process through its pipes, every byte under a deadline."""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

_CHUNK = 1 << 16
_LINES_KEPT = 20
_END_S = 2.0


class ProcessExited(Exception):
    """The process ended, or closed its output, before it answered."""


class TimedOut(Exception):
    """The process did not answer in time."""


class AgentProcess:
    """A process that is sent bytes and answers in lines; the end of its standard error is kept for messages."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process, in a session of its own so that a Ctrl-C meant for this process does not reach it.

        Raises:
            OSError: The program is not there or cannot be run.
        """
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._input, self._output, self._errors = self._process.stdin, self._process.stdout, self._process.stderr
        for pipe in (self._input, self._output, self._errors):
            os.set_blocking(pipe.fileno(), False)
        self._received = bytearray()
        self._said = bytearray()

    def exchange(self, message: bytes, timeout_s: float) -> bytes:
        """Send bytes and return the next line of the answer, without its end.

        Raises:
            Ended: There will be no answer.
            Late: There was none in time.
        """
        deadline = time.monotonic() + timeout_s
        unsent = memoryview(message)
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(self._errors, selectors.EVENT_READ)
            if unsent:
                selector.register(self._input, selectors.EVENT_WRITE)
            while (line := self._line()) is None:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready and time.monotonic() >= deadline:
                    raise TimedOut
                for key, _ in ready:
                    if key.fileobj is self._input:
                        unsent = self.send(unsent)
                        if not unsent:
                            selector.unregister(self._input)
                    elif key.fileobj is self._errors:
                        if not self._hear():
                            selector.unregister(self._errors)
                    elif not self._receive():
                        raise ProcessExited
        return line

    def stderr_tail(self) -> list[str]:
        """The last lines of the process's standard error."""
        while self._hear():
            pass
        lines = self._said.decode("utf-8", errors="replace").splitlines()
        return [line.strip() for line in deque(lines, _LINES_KEPT) if line.strip()]

    def wait(self) -> int | None:
        """The exit code, negative for a signal; None when the process does not end within two seconds."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_END_S)
        return None

    def close(self) -> None:
        """Close the pipes; a process that does not end by itself is killed."""
        self._input.close()
        if self.wait() is None:
            self._end()
        self._output.close()
        self._errors.close()

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._end()
        self.close()

    def _end(self) -> None:
        if self._process.poll() is None:  # not yet collected, so the number is still its own
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def send(self, unsent: memoryview) -> memoryview:
        try:
            return unsent[os.write(self._input.fileno(), unsent[:_CHUNK]) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:  # what the process said before it ended is still to be read
            return unsent[:0]

    def _receive(self) -> bool:
        data = self._read(self._output.fileno())
        self._received += data or b""
        return data != b""

    def _hear(self) -> bool:
        data = self._read(self._errors.fileno())
        self._said = (self._said + (data or b""))[-_CHUNK:]
        return bool(data)

    @staticmethod
    def _read(descriptor: int) -> bytes | None:
        """What is there; empty at the end, None when nothing is there yet."""
        try:
            return os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None

    def _line(self) -> bytes | None:
        end = self._received.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line
