"""How well does a latency repeat itself? Ours against a plain median of 200 runs and against Ultralytics' profiler.

Every repeat is made in fresh processes, the three methods in turn, on a machine that is left alone and on one with a
CPU hog. A method repeats itself when its values have a small coefficient of variation (CV); it holds its own under load
when its values with the hog are those without.

    python -m benchmarks.latency.repeatability --repeats 20

Ultralytics' profiler is the real one (`ultralytics.utils.benchmarks.ProfileModels.profile_onnx_model`) with
`--profiler-seconds` in place of its minute, in every `--profiler-every`-th repeat. Rows are appended to the CSV file as
they are measured; started again, the run goes on. Takes about 25 s a repeat and model.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.rows import MODELS, Rows, hog, stock
from nas.errors import LatencyError
from nas.latency import LatencyDevice, LatencySettings, SizedModel, repeat_until_precise
from nas.latency.measurement_retry import SURE

HEADER = ("hog", "model", "repeat", "method", "latency_ms", "low_ms", "high_ms", "memory", "seconds", "refused")
CSV = Path("results/reference/latency/repeatability.csv")
TRIES_S = 60.0
_SURELY = f"ours, where known to ±{SURE:.0%}"

PLAIN = """
import sys, time, statistics
from nas.latency import LatencySettings
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency import open_session
with open_session(ModelBytes("onnx", open(sys.argv[1], "rb").read()), int(sys.argv[2]), LatencySettings()) as session:
    for _ in range(10):
        session.run()
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        session.run()
        times.append(1e3 * (time.perf_counter() - begin))
print(statistics.median(times))
"""

PROFILER = """
import sys
from nas.util import ultralytics_env
ultralytics_env.prepare()
from ultralytics.utils.benchmarks import ProfileModels
path, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
profiler = ProfileModels([path], min_time=seconds, imgsz=size, trt=False, device="cpu")
print(profiler.profile_onnx_model(path)[0])
"""


def plain(code: str, *arguments: str) -> float:
    """The number that a script prints last, run in a fresh process."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def ours(model: SizedModel, device: LatencyDevice) -> dict[str, object]:
    """A finalist measurement as the commands make it, asked for again for up to a minute when it is refused."""
    begun = time.monotonic()
    while True:
        try:
            measured = repeat_until_precise(lambda: device.compare([model]), lambda one: one.width)
            (found,) = measured.latencies
            return {
                "latency_ms": found.latency_ms,
                "low_ms": found.low_ms,
                "high_ms": found.high_ms,
                "memory": round(found.conditions["memory"], 3),
            }
        except LatencyError as error:
            if time.monotonic() - begun > TRIES_S:
                return {"refused": str(error)}


def measure(arguments: argparse.Namespace, rows: Rows) -> None:
    """Measure what is missing."""
    device = LatencyDevice(LatencySettings()).calibrated()
    have = {(r["hog"], r["model"], r["repeat"], r["method"]) for r in rows.all()}
    left = arguments.at_most
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats):
            for where in ("none", "free"):
                for name, width, imgsz in MODELS:
                    if left == 0:
                        return
                    model, path = stock(width, imgsz), Path(folder) / f"{width}-{imgsz}.onnx"
                    path.write_bytes(model.model.data)
                    methods: dict[str, Callable[[], Any]] = {
                        "ours": lambda model=model: ours(model, device),
                        "median of 200": lambda path=path, imgsz=imgsz: {
                            "latency_ms": plain(PLAIN, str(path), str(imgsz))
                        },
                    }
                    if repeat % arguments.profiler_every == 0:
                        methods["ultralytics"] = lambda path=path, imgsz=imgsz: {
                            "latency_ms": plain(PROFILER, str(path), str(imgsz), str(arguments.profiler_seconds))
                        }
                    todo = [m for m in methods if (where, name, str(repeat), m) not in have]
                    if not todo:
                        continue
                    left -= 1
                    with hog(where):
                        for method in todo:
                            begun = time.monotonic()
                            found = methods[method]()
                            seconds = round(time.monotonic() - begun, 1)
                            rows.add(
                                {"hog": where, "model": name, "repeat": repeat, "method": method, "seconds": seconds}
                                | {
                                    key: f"{value:.4f}" if key.endswith("_ms") else value
                                    for key, value in found.items()
                                }
                            )
                            print(where, name, repeat, method, json.dumps(found), flush=True)


def summary(rows: Rows) -> None:
    """CV of each method, and how far the values with the hog are from those without."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    methods = ("ours", _SURELY, "median of 200", "ultralytics")
    refused: dict[tuple[str, str, str], int] = defaultdict(int)
    seconds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows.all():
        key = row["model"], row["method"], row["hog"]
        seconds[key].append(float(row["seconds"]))
        if row["refused"]:
            refused[key] += 1
            continue
        values[key].append(float(row["latency_ms"]))
        if row["low_ms"] and _width(row) <= SURE:
            values[row["model"], _SURELY, row["hog"]].append(float(row["latency_ms"]))
    print("| model | method | quiet: median | n | CV | hog: median | n | refused | within ±2% of quiet | s each |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, _, _ in MODELS:
        for method in methods:
            quiet, busy = values[name, method, "none"], values[name, method, "free"]
            if len(quiet) < 2 or not busy:
                continue
            middle = statistics.median(values[name, "ours" if method == _SURELY else method, "none"])
            inside = sum(abs(value / middle - 1) <= 0.02 for value in busy)
            print(
                f"| {name} | {method} | {middle:.3f} ms | {len(quiet)} | "
                f"{statistics.stdev(quiet) / statistics.mean(quiet):.2%} | {statistics.median(busy):.3f} ms | "
                f"{len(busy)} | {refused[name, method, 'free']} | {inside} of {len(busy)} | "
                f"{statistics.median(seconds[name, 'ours' if method == _SURELY else method, 'none']):.0f} |"
            )


def _width(row: dict[str, str]) -> float:
    """Half width of a row's interval, as a share."""
    return (float(row["high_ms"]) - float(row["low_ms"])) / 2 / float(row["latency_ms"])


def slopes(rows: Rows) -> None:
    """What the memory's state still explains of our values: 0 where the slope of the estimate was right."""
    print("\n| model | n | memory | slope that is left | correlation |")
    print("|---|---|---|---|---|")
    for name, _, _ in MODELS:
        mine = [r for r in rows.all() if (r["model"], r["method"]) == (name, "ours") and not r["refused"]]
        if len(mine) < 3:
            continue
        x, y = (np.log([float(row[column]) for row in mine]) for column in ("memory", "latency_ms"))
        print(
            f"| {name} | {len(mine)} | {np.exp(x.min()):.3f} to {np.exp(x.max()):.3f} | {np.polyfit(x, y, 1)[0]:.2f} | "
            f"{np.corrcoef(x, y)[0, 1]:.2f} |"
        )


def main() -> None:
    """Measure what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--profiler-seconds", type=float, default=60.0)
    parser.add_argument("--profiler-every", type=int, default=1)
    arguments, rows = Rows.asked_for(parser, CSV, HEADER, "repeats of one model")
    measure(arguments, rows)
    summary(rows)
    slopes(rows)


if __name__ == "__main__":
    main()
