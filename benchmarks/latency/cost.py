"""What a latency costs a candidate, by part: build, export, session, measurement.

    python -m benchmarks.latency.cost --n 20

Random designs of the default space, screened with an agent that is open already, as in a search, without a target and
with one of half their latency, which is a clear reject; then, three times in turn, finalist measurements of four of
them alone and together, and three screenings of each stock model of the other benchmarks. Medians and ranges in
seconds; what went into disturbed slices and into leaving the device alone is apart. Below, how sure finalists are.
"""

import argparse
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.common.rows import MODELS, stock
from nas.architecture import to_yaml
from nas.latency import (
    LatencyDevice,
    LatencySettings,
    SizedModel,
    opened_for_pictures,
    retry_while_disturbed,
)
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, to_onnx
from nas.search.remeasure import TOGETHER
from nas.space import load_space


def main() -> None:
    """Time the parts and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="designs, at least 4")
    arguments = parser.parse_args()
    settings = LatencySettings()
    device = LatencyDevice(settings).calibrated()
    space, rng = load_space("ghostv2-n"), random.Random(1)
    models: list[SizedModel] = []
    seconds: dict[str, list[float]] = defaultdict(list)

    def timed(part: str, begun: float) -> float:
        now = time.monotonic()
        seconds[part].append(now - begun)
        return now

    def screened(part: str, model: SizedModel, begun: float) -> None:
        latency = retry_while_disturbed(lambda: device.screen(model, None))
        timed(f"{part}, all of it", begun)
        seconds[f"{part}, timing"].append(latency.seconds - latency.waited_s)
        seconds[f"{part}, waiting for quiet"].append(latency.waited_s)
        reject = retry_while_disturbed(lambda: device.screen(model, latency.low_ms / 2))
        seconds[f"{part}, clear reject, timing"].append(reject.seconds - reject.waited_s)

    for number in range(arguments.n + 1):
        design = space.decode(space.sample(rng))
        now = time.monotonic()
        module = build(to_yaml(design, 6), seed=0)
        now = timed("build", now)
        model = SizedModel(ModelBytes("onnx", to_onnx(module, design.imgsz)), design.imgsz)
        now = timed("export to ONNX", now)
        with opened_for_pictures(model, settings):
            now = timed("session (ONNX Runtime), first run", now)
        models.append(model)
        screened("screening", model, now)
        if number == 0:
            seconds.clear()  # what is loaded once
    widths = finalists(models[-TOGETHER:], settings, device, seconds)
    for name, width, imgsz in MODELS:
        for _ in range(3):
            screened(f"screening of {name}", stock(width, imgsz), time.monotonic())
    print("| part | median s | range |")
    print("|---|---|---|")
    for part, times in seconds.items():
        print(f"| {part} | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} |")
    for way, halves in widths.items():
        print(
            f"half widths of finalists measured {way}: {statistics.median(halves):.1%} in the median, "
            f"{min(halves):.1%} to {max(halves):.1%}"
        )


def finalists(
    models: Sequence[SizedModel], settings: LatencySettings, device: LatencyDevice, seconds: dict[str, list[float]]
) -> dict[str, list[float]]:
    """Measure models as finalists, three times alone and together in turn; the intervals' half widths, as shares."""
    widths: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for way, groups in (("alone", [[one] for one in models]), ("together", [models])):
            begun = time.monotonic()
            for group in groups:
                now = time.monotonic()
                found = retry_while_disturbed(lambda group=group: device.compare(group)).latencies
                widths[way] += [(one.high_ms - one.low_ms) / 2 / one.latency_ms for one in found]
                if way == "alone":
                    seconds["finalist, all of it (three processes)"].append(time.monotonic() - now)
                    seconds["finalist, timing"].append(found[0].seconds - found[0].waited_s)
                    seconds["finalist, waiting for quiet"].append(found[0].waited_s)
            seconds[f"{len(models)} finalists, {way}, all of it"].append(time.monotonic() - begun)
    return widths


if __name__ == "__main__":
    main()
