"""A whole search on the GPU: proxies and latencies on one device."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from findings import started

check = started(7)
ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("GHOSTNAS_GPU_WORK", tempfile.gettempdir())) / "search"
LIMIT_S = float(os.environ.get("GHOSTNAS_GPU_PART_S", "130"))
FULL = "--budget 3 --steps 45 --imgsz 160 --target-latency 2ms --runtime torch-cudagraph"
SMALL = "--budget 1 --steps 2 --imgsz 64 --target-latency 50ms --runtime onnxruntime"
WHAT = "--space ghostv2-n --finalist-seeds 1 --workers 0 --name gpu"

size = (SMALL if check.dry else FULL).split()
place = ["--train-device", check.device, "--device", check.unit, "--out", str(HOME)]
# No candidate begins after half of the time; what is left of it is for the finalists.
words = [*size, *WHAT.split(), "--max-time", f"{LIMIT_S / 2:.0f}s", *place]
began = time.monotonic()
command = [sys.executable, "-m", "nas", "search", *words]
with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as search:
    assert search.stdout is not None
    # Ended early, a search writes what it found; this part is killed a moment later.
    enough = threading.Timer(LIMIT_S - 20, search.terminate)
    killed = threading.Timer(LIMIT_S - 5, search.kill)
    for timer in (enough, killed):
        timer.start()
    for line in search.stdout:
        print(f"{time.monotonic() - began:6.1f} s  {line}", end="", flush=True)
    for timer in (enough, killed):
        timer.cancel()
seconds = round(time.monotonic() - began, 1)
check.note("exit code of a search", search.returncode, "", seconds=seconds, command=words)
for path in sorted((HOME / "gpu").rglob("*")):
    print(path.relative_to(HOME), path.stat().st_size)
for name in ("study.db", "report.md", "trials.csv"):
    if (HOME / "gpu" / name).is_file():
        shutil.copy(HOME / "gpu" / name, check.out / f"search-{name}")
