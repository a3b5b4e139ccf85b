"""YOLO11m against the write-up's GhostNetV2 design, as `ghostnas latency` measures them."""

import json
import subprocess
import sys
import time
from pathlib import Path

from findings import started

check = started(6)
ROOT = Path(__file__).parents[2]
GHOST = "search_spaces/literals/writeup-ghostnetv2-m.yaml"
SCREENING = ["--level", "screening"]
RAW = ["--target-stat", "p50", "--sustained", "3s"]  # needs no calibration, so it takes seconds
WAYS = {
    "torch-cudagraph float32, screening": ["--runtime", "torch-cudagraph", *SCREENING],
    "torch-cudagraph float16, screening": ["--runtime", "torch-cudagraph", "--precision", "float16", *SCREENING],
    "torch float32, p50": ["--runtime", "torch", *RAW],
}
models = ["yolo11n.yaml" if check.dry else "yolo11m.yaml", GHOST]
for name, words in {"torch float32, p50": WAYS["torch float32, p50"]}.items() if check.dry else WAYS.items():
    command = [sys.executable, "-m", "nas", "latency", *models, "--imgsz", "64" if check.dry else "640"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--device", check.unit, *words, "--json"], cwd=ROOT, capture_output=True, text=True
    )
    seconds = round(time.monotonic() - began, 1)
    print(done.stdout[-6000:], done.stderr[-4000:])
    if done.returncode:
        check.note(name, "failed", "", code=done.returncode, why=done.stderr[-600:], seconds=seconds)
        continue
    for one in json.loads(done.stdout):
        kept = {
            key: one[key] for key in ("latency_low_ms", "latency_high_ms", "ratio", "conditions", "dropped", "slices")
        }
        check.note(f"{Path(one['model']).stem}, {name}", one["latency_ms"], "ms", whole_seconds=seconds, **kept)
