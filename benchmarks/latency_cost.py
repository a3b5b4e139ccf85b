"""What a latency costs a candidate, by part: build, export, session, measurement.

    python benchmarks/latency_cost.py --n 20

Random designs of the default space, screened with an agent that is open already, as in a search; then three finalist
measurements. Medians and ranges in seconds.
"""

import argparse
import random
import statistics
import time
from collections import defaultdict

from nas.build import build, to_onnx
from nas.latency import LatencySettings
from nas.latency.artifact import ModelBytes
from nas.latency.measure import calibration, compare, screen
from nas.latency.predictions import opened_for_pictures
from nas.latency.sized import Sized
from nas.space import load_space
from nas.yolo_yaml import to_yaml


def main() -> None:
    """Time the parts and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20)
    arguments = parser.parse_args()
    settings = LatencySettings()
    calibrated = calibration(settings)
    space, rng = load_space("ghostv2-n"), random.Random(1)
    seconds: dict[str, list[float]] = defaultdict(list)

    def timed(part: str, begun: float) -> float:
        now = time.monotonic()
        seconds[part].append(now - begun)
        return now

    for number in range(arguments.n + 1):
        design = space.decode(space.sample(rng))
        now = time.monotonic()
        module = build(to_yaml(design, 6), seed=0)
        now = timed("build", now)
        model = Sized(ModelBytes("onnx", to_onnx(module, design.imgsz)), design.imgsz)
        now = timed("export to ONNX", now)
        with opened_for_pictures(model, settings):
            now = timed("session (ONNX Runtime), first run", now)
        latency = screen(model, settings, calibrated, None)
        timed("screening, all of it", now)
        seconds["screening, device time"].append(latency.seconds)
        if number == 0:
            seconds.clear()  # what is loaded once
    for _ in range(3):
        now = time.monotonic()
        found = compare([model], settings, calibrated).latencies[0]
        timed("finalist, all of it (three processes)", now)
        seconds["finalist, device time"].append(found.seconds)
    print("| part | median s | range |")
    print("|---|---|---|")
    for part, times in seconds.items():
        print(f"| {part} | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} |")


if __name__ == "__main__":
    main()
