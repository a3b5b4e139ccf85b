"""A whole search on the GPU: proxies and latencies on one device."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from findings import Check, started

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("GHOSTNAS_GPU_WORK", tempfile.gettempdir())) / "search"
LIMIT_S = float(os.environ.get("GHOSTNAS_GPU_PART_S", "300"))
FULL = "--budget 3 --steps 45 --imgsz 160 --target-latency 2ms --runtime torch-cudagraph"
SMALL = "--budget 1 --steps 2 --imgsz 64 --target-latency 50ms --runtime onnxruntime"
WHAT = "--space ghostv2-n --finalist-seeds 1 --workers 0 --name gpu"
TOLD = re.compile(r"\b(reach|estimate|trained|finalists|front|unmeasurable|interrupted)\b")
KEPT = ("study.db", "report.md", "trials.csv")
# Before the limit: when no candidate begins any more, when the search is asked to end with what it has, and when it is
# killed. Finalists take a minute.
LAST_S, ASKED_S, KILLED_S = 90, 45, 8


def followed(check: Check, words: list[str], began: float) -> int:
    """Run a search, note what it says when it says it, and end it in time; its exit code."""
    command = [sys.executable, "-m", "nas", "search", *words]
    # A group of its own: agents that outlive it would keep its output open.
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as search:
        assert search.stdout is not None
        timers = [
            threading.Timer(LIMIT_S - ASKED_S, search.terminate),
            threading.Timer(LIMIT_S - KILLED_S, os.killpg, (search.pid, signal.SIGKILL)),
        ]
        for timer in timers:
            timer.start()
        for line in search.stdout:
            after = round(time.monotonic() - began, 1)
            print(f"{after:6.1f} s  {line}", end="", flush=True)
            if TOLD.search(line):
                check.note("the search says", line.strip(), "", seconds=after)
        for timer in timers:
            timer.cancel()
        return search.wait()


def main() -> None:
    """The search, and what it left."""
    check = started(7)
    size = (SMALL if check.dry else FULL).split()
    place = ["--train-device", check.device, "--device", check.unit, "--out", str(HOME)]
    words = [*size, *WHAT.split(), "--max-time", f"{max(20, LIMIT_S - LAST_S):.0f}s", *place]
    began = time.monotonic()
    code = followed(check, words, began)
    seconds = round(time.monotonic() - began, 1)
    check.note("exit code of a search", code, "", seconds=seconds, command=words)
    for path in sorted((HOME / "gpu").rglob("*")):
        print(path.relative_to(HOME), path.stat().st_size)
    for name in KEPT:
        if (HOME / "gpu" / name).is_file():
            shutil.copy(HOME / "gpu" / name, check.out / f"search-{name}")


if __name__ == "__main__":
    main()
