"""What share of random candidates a latency target rejects, by input size.

    python -m benchmarks.search.rejection_share --space ghostv2-n --target-latency 2.5ms --n 60

Every candidate is drawn, built, exported and measured exactly as the search does it. Run it on a quiet machine.
"""

import argparse
import random
import statistics
from collections import defaultdict
from pathlib import Path

from nas.latency import LatencyDevice, LatencySettings
from nas.proxy import ProxySettings
from nas.search.evaluate import Task, measure_only
from nas.space import load_space
from nas.study import Limits
from nas.util.units import latency_ms


def main() -> None:
    """Measure random candidates and print the share that misses the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="ghostv2-n")
    parser.add_argument("--target-latency", default="2.5ms", type=latency_ms)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--n", default=60, type=int)
    parser.add_argument("--seed", default=0, type=int)
    options = parser.parse_args()

    space = load_space(options.space)
    settings = LatencySettings(options.runtime)
    task = Task(
        Limits(options.target_latency), LatencyDevice(settings).calibrated(), ProxySettings(), None, 1.0, 6, Path()
    )
    rng = random.Random(options.seed)
    found: defaultdict[int, list[float]] = defaultdict(list)
    seconds: list[float] = []
    for number in range(1, options.n + 1):
        evaluation = measure_only(space.decode(space.sample(rng)), task)
        found[evaluation.architecture.imgsz].append(evaluation.latency.latency_ms)
        seconds.append(sum(evaluation.seconds.values()))
        if number % 10 == 0:
            print(f"{number} of {options.n} measured, {statistics.median(seconds):.1f} s each", flush=True)
    print(f"\n{space.name}, {options.runtime}, float32, 1 thread, target {options.target_latency:g} ms")
    print("imgsz    n  min ms  median ms  max ms  rejected")
    everything = [latency for latencies in found.values() for latency in latencies]
    for label, latencies in [*((str(size), found[size]) for size in sorted(found)), ("all", everything)]:
        share = sum(latency > options.target_latency for latency in latencies) / len(latencies)
        low, middle, high = min(latencies), statistics.median(latencies), max(latencies)
        print(f"{label:5} {len(latencies):4} {low:7.2f} {middle:10.2f} {high:7.2f} {100 * share:8.0f}%")


if __name__ == "__main__":
    main()
