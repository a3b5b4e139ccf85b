"""A headless Chromium that tests drive by the Chrome DevTools Protocol, over two pipes."""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_BRIDGE = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads commands from descriptor 3 and writes answers to 4."""


class Page:
    """One page of a running Chromium."""

    def __init__(self, program: str, profile: Path) -> None:
        """Start Chromium with an empty page.

        Args:
            program: Chromium.
            profile: An empty folder of its own.
        """
        theirs, self._commands = os.pipe()
        answers, ours = os.pipe()
        options = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--disable-gpu"]
        options += ["--no-first-run", "--disable-background-networking", "--hide-scrollbars", "--disable-extensions"]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BRIDGE, str(theirs), str(ours), program, *options, "about:blank"],
            pass_fds=(theirs, ours),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._rest, self._number, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        targets = self._call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._commands)
        self._answers.close()
        self._process.terminate()
        self._process.wait(20)

    def open(self, file: Path, width: int, height: int, *, dark: bool = False, script: bool = True) -> None:
        """Open a file and wait until it is loaded.

        Args:
            file: An HTML file.
            width: Of the window in pixels.
            height: Of the window in pixels.
            dark: Whether the system prefers dark.
            script: Whether the page may run its script.
        """
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Emulation.setScriptExecutionDisabled", value=not script)
        self.events.clear()
        self._call("Page.navigate", url=file.absolute().as_uri())
        while not any(one["method"] == "Page.loadEventFired" for one in self.events):
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        """The value of an expression, or of a promise, in the page.

        Raises:
            AssertionError: It throws.
        """
        found = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def move(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        """Click the left button."""
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def place(self, selector: str) -> tuple[float, float]:
        """The middle of the first element that a selector names, scrolled into view."""
        found = self.run(
            f"""(() => {{ const one = document.querySelector({json.dumps(selector)});
            one.scrollIntoView({{block: "center", behavior: "instant"}});
            const box = one.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2]; }})()"""
        )
        return found[0], found[1]

    def troubles(self) -> list[str]:
        """Whatever the page complained of since it was opened."""
        self._call("Runtime.evaluate", expression="0")  # what was under way has come
        bad = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening")
        return [json.dumps(one) for one in self.events if one["method"] in bad]

    def picture(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        found = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(b64decode(found["data"]))

    def _call(self, method: str, **values: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": values}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != self._number:
            self.events.append(found)
        assert "error" not in found, found["error"]
        result: dict[str, Any] = found["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = self._answers.read(1 << 20)
            assert more, "Chromium has ended"
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A page of a headless Chromium; skips the test where there is none, unless GHOSTNAS_TEST_CHROMIUM=required.

    Args:
        profile: An empty folder of its own.
    """
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        why = f"there is no Chromium here ({', '.join(NAMES)}); on Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("GHOSTNAS_TEST_CHROMIUM") == "required" else pytest.skip)(why)
    with Page(program, profile) as page:
        yield page
