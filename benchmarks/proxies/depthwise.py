"""Training steps with and without the quick depthwise convolutions of `nas/proxy/fast_depthwise.py`, in turn.

    python -m benchmarks.proxies.depthwise

Random designs of the default space that have ghost stages, embedded pictures, one thread. Each round times one step of
either kind with equal weights and pictures; printed are medians over the rounds and their ratio, a design. Prints also
the largest difference of the two losses, which is rounding. Takes two minutes.
"""

import argparse
import random
import statistics
import time
from contextlib import nullcontext

import torch

from nas.architecture import Architecture, to_yaml
from nas.data import load, pixels
from nas.model import build
from nas.proxy import ProxySettings, augmented, find_precision
from nas.proxy.fast_depthwise import quick_depthwise
from nas.proxy.loss import Objective
from nas.space import load_space
from nas.util import ultralytics_env

ultralytics_env.prepare()

CPU = torch.device("cpu")


def times(arch: Architecture, rounds: int) -> tuple[list[float], list[float], float]:
    """Seconds of the quick and of the plain steps, and how far their losses are apart, relative to the loss."""
    data, settings = load(None), ProxySettings(steps=rounds)
    source, generator = pixels(data.train, arch.imgsz), torch.Generator().manual_seed(0)
    model = build(to_yaml(arch, data.nc), seed=0).train().to(memory_format=torch.channels_last)
    precision = find_precision("auto", CPU)
    objective = Objective(model, arch.imgsz, settings, CPU, precision)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    apart = 0.0
    for number in range(rounds + 1):
        batch = augmented(source, torch.arange(16) + 16 * number, generator, CPU, 0.5)
        losses = []
        for quick in (number % 2 == 0, number % 2 == 1):
            with quick_depthwise(model, CPU, precision) if quick else nullcontext():
                begun = time.perf_counter()
                loss = objective(batch)
                loss.backward()
                seconds[quick].append(time.perf_counter() - begun)
            losses.append(float(loss.detach()))
            model.zero_grad(set_to_none=True)
        apart = max(apart, abs(losses[0] - losses[1]) / losses[0])
    return seconds[True][1:], seconds[False][1:], apart  # the first round warms torch up


def main() -> None:
    """Time, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, drawn, ratios = load_space("ghostv2-n"), random.Random(0), list[float]()
    print("| design | quick | plain | ratio | losses apart |\n|---|---|---|---|---|")
    while len(ratios) < options.designs:
        arch = space.decode(space.sample(drawn))
        if all(stage.block != "ghost" for stage in arch.stages):
            continue
        quick, plain, apart = times(arch, options.rounds)
        ratios.append(statistics.median(a / b for a, b in zip(quick, plain, strict=True)))
        medians = " | ".join(f"{1e3 * statistics.median(one):.0f} ms" for one in (quick, plain))
        print(f"| `{arch.key}` | {medians} | {ratios[-1]:.2f} | {apart:.1e} |", flush=True)
    print(f"\nmedian ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
