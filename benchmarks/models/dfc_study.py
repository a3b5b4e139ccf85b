"""Is DFC attention worth its time? The same net with it, without it but wider, and of plain C3k2, equally fast.

    python -m benchmarks.models.dfc_study --data DATA.yaml

First the widths of the two rivals are chosen so that the measured latencies agree (one interleaved run of all three,
to `dfc-designs.csv`). Then each is trained with `--seeds` seeds and scored on the data's own val, which no choice has
seen; a row is kept a training, and started again the run goes on. Beside the score stands the effective receptive field
of each stage's output: the side, in input pixels, of the smallest centred square that holds 90% of the gradient of the
centre position (Luo et al. 2016, arXiv 1701.04128), on val pictures with the trained weights.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from nas.architecture import LEVELS, Architecture, Stage, from_key, to_yaml
from nas.data import load, pixels
from nas.latency import LatencyDevice, LatencySettings, SizedModel, retry_while_disturbed
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, to_onnx
from nas.proxy import ProxySettings, plain_images, train_proxy, validate
from nas.space import attention_fits, yolo11
from nas.util import ultralytics_env

ultralytics_env.prepare()

DESIGNS = ("design", "key", "latency_ms", "ratio", "ratio_low", "ratio_high")
HEADER = (
    "design",
    "seed",
    "steps",
    "map50_95",
    "map50",
    "select_map50_95",
    "seconds",
    *(f"erf_{one}" for one in LEVELS),
)
CSV = Path("results/reference/dfc/trainings.csv")
WITH, WITHOUT, PLAIN = "DFC on", "DFC off, wider", "C3k2"
BASE_WIDTH = 0.5
HELD = 0.9
PICTURES = 16


def ghost(base: Architecture, width: Callable[[int], int], attends: bool) -> Architecture:
    """The net with GhostNetV2 bottlenecks, without attention in P2 as in the paper."""
    p2, p3, p4, p5 = (
        Stage("ghost", width(stage.width), 1, 3.0, *((5, 2) if attends and level else (0, 1)))
        for level, stage in enumerate(base.stages)
    )
    return replace(base, stages=(p2, p3, p4, p5))


def plain(base: Architecture, width: Callable[[int], int]) -> Architecture:
    """The net with YOLO11's own stages."""
    p2, p3, p4, p5 = (replace(stage, width=width(stage.width)) for stage in base.stages)
    return replace(base, stages=(p2, p3, p4, p5))


def widened(factor: float) -> Callable[[int], int]:
    """Widths times a factor, to multiples of 8 that C2PSA can split."""

    def width(channels: int) -> int:
        wanted = channels * factor
        near = sorted(range(8, 2048, 8), key=lambda one: abs(one - wanted))
        return next(one for one in near if attention_fits(one))

    return width


def sized(arch: Architecture, nc: int) -> SizedModel:
    """The net as ONNX."""
    model = build(to_yaml(arch, nc), seed=0)
    return SizedModel(ModelBytes("onnx", to_onnx(model, arch.imgsz)), arch.imgsz)


def nearest(
    make: Callable[[float], Architecture], target_ms: float, nc: int, time: Callable[[SizedModel], float]
) -> Architecture:
    """The width whose latency is nearest the target, of those that a bisection meets."""
    known: dict[str, tuple[float, Architecture]] = {}

    def latency(factor: float) -> float:
        arch = make(factor)
        if arch.key not in known:
            known[arch.key] = time(sized(arch, nc)), arch
            print(f"  x{factor:.3f}: {known[arch.key][0]:.3f} ms, wanted {target_ms:.3f}", flush=True)
        return known[arch.key][0]

    low, high = 0.25, 4.0
    for _ in range(8):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if latency(middle) < target_ms else (low, middle)
    return min(known.values(), key=lambda one: abs(one[0] - target_ms))[1]


def choose(imgsz: int, nc: int, rows: Rows) -> None:
    """Find three equally fast designs and keep how fast they are."""
    base = replace(yolo11("n", imgsz, BASE_WIDTH), activation="relu")
    settings = LatencySettings()
    device = LatencyDevice(settings).calibrated()

    def time(one: SizedModel) -> float:
        return retry_while_disturbed(lambda: device.screen(one, None), notice=print).latency_ms

    first = ghost(base, lambda width: width, attends=True)
    target_ms = statistics.median(time(sized(first, nc)) for _ in range(3))
    designs = {
        WITH: first,
        WITHOUT: nearest(lambda factor: ghost(base, widened(factor), attends=False), target_ms, nc, time),
        PLAIN: nearest(lambda factor: plain(base, widened(factor)), target_ms, nc, time),
    }
    files = [sized(arch, nc) for arch in designs.values()]
    found = retry_while_disturbed(lambda: device.compare(files), notice=print)
    for (name, arch), latency, ratio in zip(designs.items(), found.latencies, found.ratios or (), strict=True):
        shown = {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
        rows.add(
            {"design": name, "key": arch.key, "latency_ms": f"{latency.latency_ms:.4f}"}
            | {column: f"{value:.4f}" for column, value in shown.items()}
        )


def receptive_fields(model: nn.Module, images: torch.Tensor) -> dict[str, float]:
    """Side in input pixels of the square that holds most of the centre position's gradient, a stage's output."""
    seen: dict[str, torch.Tensor] = {}
    layers: Any = model.model
    hooks = [
        layers[2 + 2 * level].register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for level, name in enumerate(LEVELS)
    ]
    inputs = images.clone().requires_grad_()
    model.eval()(inputs)
    sides = {}
    for name in LEVELS:
        out = seen[name]  # (B, C, H, W)
        middle = out[:, :, out.shape[2] // 2, out.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(middle, inputs, retain_graph=True)
        mass = gradient.abs().sum((0, 1))  # (imgsz, imgsz)
        sides[name] = held_side(mass, out.shape[2])
    for hook in hooks:
        hook.remove()
    return sides


def held_side(mass: torch.Tensor, positions: int) -> float:
    """Side of the smallest square around the centre position's middle that holds `HELD` of the mass."""
    imgsz = mass.shape[0]
    stride = imgsz // positions
    centre = (positions // 2 + 0.5) * stride - 0.5
    places = torch.arange(imgsz, dtype=torch.float64)
    distance = torch.maximum((places - centre).abs()[:, None], (places - centre).abs()[None])
    order = distance.flatten().argsort()
    shares = mass.double().flatten()[order].cumsum(0) / mass.double().sum()
    return float(2 * distance.flatten()[order][int((shares < HELD).sum())] + 1)


def trained(name: str, key: str, seed: int, steps: int, source: str | None, threads: int) -> dict[str, Any]:
    """One training and what it gave."""
    data, arch = load(source), from_key(key)
    model = build(to_yaml(arch, data.nc), seed=seed)
    plain: dict[str, Any] = {"first_boxes": None, "lr_inputs": None}
    settings = ProxySettings(steps=steps, seed=seed, threads=threads, horizon=1, **plain)
    result, final = train_proxy(model, data, arch.imgsz, settings)
    score = validate(final, data.val, data, arch.imgsz)
    images = plain_images(pixels(data.val, arch.imgsz), torch.arange(PICTURES), torch.device("cpu"))
    fields = receptive_fields(final, images)
    return {
        "design": name,
        "seed": seed,
        "steps": steps,
        "map50_95": f"{score.map50_95:.4f}",
        "map50": f"{score.map50:.4f}",
        "select_map50_95": f"{result.score.map50_95:.4f}",
        "seconds": round(result.seconds),
    } | {f"erf_{level}": f"{side:.0f}" for level, side in fields.items()}


def left(designs: list[dict[str, str]], rows: Rows, seeds: int, steps: int) -> Iterator[tuple[str, str, int]]:
    """What is not trained yet, a seed of every design at a time."""
    have = {(row["design"], row["seed"], row["steps"]) for row in rows.all()}
    for seed in range(seeds):
        for one in designs:
            if (one["design"], str(seed), str(steps)) not in have:
                yield one["design"], one["key"], seed


def report(designs: list[dict[str, str]], rows: Rows, steps: int) -> None:
    """The tables."""
    print("\n| design | key | latency | to DFC on | 95% interval |\n|---|---|---|---|---|")
    for one in designs:
        interval = f"{one['ratio_low']} to {one['ratio_high']}" if one["design"] != WITH else "-"
        print(f"| {one['design']} | `{one['key']}` | {one['latency_ms']} ms | {one['ratio']} | {interval} |")
    print("\n| design | seeds | val mAP50-95: mean | sd | lowest to highest | mAP50 | s | ERF P2 | P3 | P4 | P5 |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for one in designs:
        mine = [row for row in rows.all() if row["design"] == one["design"] and row["steps"] == str(steps)]
        if len(mine) < 2:
            continue
        scores = [float(row["map50_95"]) for row in mine]
        means = [statistics.mean(float(row[column]) for row in mine) for column in ("map50", "seconds")]
        fields = " | ".join(f"{statistics.mean(float(row[f'erf_{level}']) for row in mine):.0f}" for level in LEVELS)
        print(
            f"| {one['design']} | {len(mine)} | {statistics.mean(scores):.3f} | {statistics.stdev(scores):.3f} | "
            f"{min(scores):.3f} to {max(scores):.3f} | {means[0]:.3f} | {means[1]:.0f} | {fields} |"
        )


def main() -> None:
    """Choose, train, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--imgsz", type=int, default=160)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, one thread each")
    options, rows = Rows.asked_for(parser, CSV, HEADER, "trainings")
    chosen = Rows(options.csv.with_name("dfc-designs.csv"), DESIGNS, options.fresh)
    if not chosen.all():
        choose(options.imgsz, load(options.data).nc, chosen)
    todo = list(left(chosen.all(), rows, options.seeds, options.steps))
    todo = todo if options.at_most < 0 else todo[: options.at_most]
    for row in results(trained, [(*one, options.steps, options.data, 1) for one in todo], options.jobs):
        rows.add(row)
        print(rows.all()[-1], flush=True)
    report(chosen.all(), rows, options.steps)


if __name__ == "__main__":
    main()
