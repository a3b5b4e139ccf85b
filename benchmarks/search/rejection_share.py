"""What share of random candidates a latency target rejects, by input size.

    python -m benchmarks.search.rejection_share --space ghostv2-n --target-latency 2.5ms --n 60
    python -m benchmarks.search.rejection_share --space auto --slower 0.5 1 2 --n 30

`--slower` multiplies every latency, as on a processor that is so much slower; `auto` chooses space and input sizes by
latencies that are multiplied too.

Every candidate is drawn, built, exported and measured exactly as the search does it. Run it on a quiet machine.
"""

import argparse
import random
import statistics
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

from nas.architecture import Architecture
from nas.latency import LatencyDevice, LatencySettings
from nas.proxy import ProxySettings
from nas.search.evaluate import Task, measure_only
from nas.search.sizing import LARGEST_PX, AutoSpace, sized
from nas.space import load_space
from nas.study import AUTO, Limits
from nas.util.units import latency_ms

CLASSES = 6
NO_LIMIT_MS = 1e9


def main() -> None:
    """Measure random candidates and print the share that misses the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="ghostv2-n")
    parser.add_argument("--target-latency", default="2.5ms", type=latency_ms)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--n", default=60, type=int)
    parser.add_argument("--slower", default=[1.0], type=float, nargs="+")
    parser.add_argument("--seed", default=0, type=int)
    options = parser.parse_args()

    settings = LatencySettings(options.runtime)
    device = LatencyDevice(settings).calibrated()
    task = Task(Limits(NO_LIMIT_MS), device, ProxySettings(), None, 1.0, CLASSES, Path())
    measure = cache(lambda design: measure_only(design, task).latency.latency_ms)
    for slower in options.slower:
        print_share(options.space, options.target_latency, slower, options.n, options.seed, measure)


def print_share(
    name: str, target_ms: float, slower: float, n: int, seed: int, measure: Callable[[Architecture], float]
) -> None:
    """Measure random designs, and print the share that misses the target.

    Args:
        name: The space, or `auto`.
        target_ms: The target.
        slower: Factor on every latency.
        n: Designs.
        seed: Seed of their draw.
        measure: Latency of a design here, in ms.
    """
    if name == AUTO.space:
        space, why = sized(AutoSpace("ghostv2"), target_ms, LARGEST_PX, lambda design: slower * measure(design))
        print(why)
    else:
        space = load_space(name)
    rng = random.Random(seed)
    found: defaultdict[int, list[float]] = defaultdict(list)
    for number in range(1, n + 1):
        design = space.decode(space.sample(rng))
        found[design.imgsz].append(slower * measure(design))
        if number % 10 == 0:
            print(f"{number} of {n} measured", flush=True)
    print(f"\n{space.name}, float32, 1 thread, target {target_ms:g} ms, latencies times {slower:g}")
    print("imgsz    n  min ms  median ms  max ms  rejected")
    everything = [latency for latencies in found.values() for latency in latencies]
    for label, latencies in [*((str(size), found[size]) for size in sorted(found)), ("all", everything)]:
        share = sum(latency > target_ms for latency in latencies) / len(latencies)
        low, middle, high = min(latencies), statistics.median(latencies), max(latencies)
        print(f"{label:5} {len(latencies):4} {low:7.2f} {middle:10.2f} {high:7.2f} {100 * share:8.0f}%")


if __name__ == "__main__":
    main()
