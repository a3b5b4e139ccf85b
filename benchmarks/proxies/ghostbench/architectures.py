"""Which architectures ghostbench trains: two narrow latency bands of `ghostv2-n-wide`, and a few extremes.

    python -m benchmarks.proxies.ghostbench.architectures

Run it from the repository's root; it takes about 10 minutes, and goes on where it was stopped. A proxy is worth
something where latency alone decides nothing. So random designs of the space are measured until each band, at most
1.25 times as wide as it begins, holds 16: one around the default target of 2.5 ms, one around the latency of YOLO11n
at the space's largest input size. Every second of a band is held out from any tuning of proxies. Beside them stand the
space's corners, scaled YOLO11 and the plain GhostNetV2 corner.

Bands are a matter of ratios, and ratios can be had on a machine that neighbours disturb: every design runs in turn with
that YOLO11n, round by round (benchmarks/common/paired.py). `latency_ms` is its ratio times YOLO11n's own milliseconds,
which are the lower quartile of 30 s on this machine, once for the whole table.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.common.paired import Paired, paired
from benchmarks.common.rows import Rows
from nas.architecture import Architecture, to_yaml
from nas.latency import LatencySettings, SizedModel
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, count, to_onnx
from nas.space import SearchSpace, ghost_corner, load_space, yolo11
from nas.util.provenance import host_machine, versions

FOLDER = Path("results/reference/ghostbench")
HEADER = (
    *("arch", "yaml", "band", "held_out", "imgsz", "ratio", "ratio_low", "ratio_high", "latency_ms", "params"),
    *("gflops", "device", "runtime"),
)
PER_BAND, WIDTH, TARGET_MS = 16, 1.25, 2.5
CLASSES = 3
"""BCCD's; the head of other data differs in its last 1x1 only."""
SCREENED_S, FINAL_S, STOCK_S = 1.0, 10.0, 30.0
_LEARNT_FROM = 24
_LIKELY = 1.2


class Device:
    """What measures here: in turn with one stock net."""

    def __init__(self, stock: Architecture) -> None:
        """Begin.

        Args:
            stock: What every design is related to.
        """
        self.settings = LatencySettings()
        self.stock = graph(stock)

    def alone_ms(self) -> float:
        """The stock net's own milliseconds."""
        return paired([self.stock], self.settings, STOCK_S)[0].ms

    def ratio(self, arch: Architecture, seconds: float) -> Paired:
        """A design's time as a share of the stock net's."""
        return paired([self.stock, graph(arch)], self.settings, seconds)[1]


def graph(arch: Architecture) -> SizedModel:
    """The design as ONNX."""
    return SizedModel(ModelBytes("onnx", to_onnx(build(to_yaml(arch, CLASSES), seed=0), arch.imgsz)), arch.imgsz)


def gflops(arch: Architecture) -> float:
    """Work of the fused model."""
    return count(build(to_yaml(arch, CLASSES), seed=0), arch.imgsz).gflops


def extremes(space: SearchSpace) -> list[Architecture]:
    """Eight designs from end to end of the space."""
    sizes = sorted(space.choices["imgsz"])
    least, most = sizes[0], sizes[-1]
    corners = {arch.imgsz: arch for arch in ghost_corner(space)}
    chosen = [
        space.smallest()[0],
        space.largest()[0],
        *(yolo11("n", most, width) for width in (1.0, 0.5, 0.25)),
        yolo11("n", least),
        corners[most],
        corners[least],
    ]
    assert len({arch.key for arch in chosen}) == 8
    return chosen


def candidates(
    space: SearchSpace, wanted: Callable[[], Iterable[tuple[float, float]]], device: Device
) -> Iterator[tuple[float, Architecture]]:
    """Random designs with their rough ratio; once work tells it, only those that may lie in a band."""
    rng, seen = random.Random(0), list[tuple[float, float]]()
    while True:
        arch = space.decode(space.sample(rng))
        work = gflops(arch)
        if len(seen) >= _LEARNT_FROM:
            works, ratios = np.log(np.array(seen)).T
            slope, offset = np.polyfit(works, ratios, 1)
            rough = math.exp(offset + slope * math.log(work))
            if not any(low / _LIKELY <= rough <= high * _LIKELY for low, high in wanted()):
                continue
        ratio = device.ratio(arch, SCREENED_S).ratio
        seen.append((work, ratio))
        yield ratio, arch


def row(arch: Architecture, band: str, held_out: bool, place: int, found: Paired, stock_ms: float) -> dict[str, object]:
    """A design's row; its YAML is written."""
    counts = count(build(to_yaml(arch, CLASSES), seed=0), arch.imgsz)
    name = f"{place:02d}.yaml"
    (FOLDER / "models").mkdir(parents=True, exist_ok=True)
    (FOLDER / "models" / name).write_text(to_yaml(arch, CLASSES), encoding="utf-8")
    return {
        "arch": arch.key,
        "yaml": f"models/{name}",
        "band": band,
        "held_out": int(held_out),
        "imgsz": arch.imgsz,
        "ratio": f"{found.ratio:.4f}",
        "ratio_low": f"{found.low:.4f}",
        "ratio_high": f"{found.high:.4f}",
        "latency_ms": f"{found.ratio * stock_ms:.4f}",
        "params": counts.params,
        "gflops": f"{counts.gflops:.4f}",
        "device": host_machine()["processor"],
        "runtime": f"onnxruntime {versions()['onnxruntime']}",
    }


class Table:
    """The rows so far, and the bands that they fill."""

    def __init__(self, rows: Rows, device: Device, stock: Architecture) -> None:
        """Go on with what there is."""
        self.rows, self.device = rows, device
        kept = [one for one in rows.all() if one["arch"] == stock.key]
        self.stock_ms = float(kept[0]["latency_ms"]) / float(kept[0]["ratio"]) if kept else device.alone_ms()
        half = math.sqrt(WIDTH)
        middles = {"target": TARGET_MS / self.stock_ms, "yolo11n": 1.0}
        self.bands = {name: (middle / half, middle * half) for name, middle in middles.items()}

    def open_bands(self) -> dict[str, tuple[float, float]]:
        """The bands that still want members."""
        return {name: limits for name, limits in self.bands.items() if self._members(name) < PER_BAND}

    def add(self, arch: Architecture, band: str) -> None:
        """Measure a design for longer and keep it, unless it is known or lies outside after all."""
        if arch.key in {one["arch"] for one in self.rows.all()}:
            return
        found = self.device.ratio(arch, FINAL_S)
        low, high = self.bands.get(band, (0.0, math.inf))
        if low <= found.ratio <= high:
            held_out = band in self.bands and self._members(band) % 2 == 1
            self.rows.add(row(arch, band, held_out, len(self.rows.all()), found, self.stock_ms))
            print(f"{band:8s} {found.ratio:.3f} ({found.low:.3f} to {found.high:.3f}) {arch.key}", flush=True)

    def _members(self, band: str) -> int:
        return sum(one["band"] == band for one in self.rows.all())


def main() -> None:
    """Choose and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, rows = Rows.asked_for(parser, FOLDER / "architectures.csv", HEADER, "rows")
    torch.set_num_threads(1)  # counting small nets with more takes longer
    space = load_space("ghostv2-n-wide")
    stock = yolo11("n", max(space.choices["imgsz"]))
    device = Device(stock)
    table = Table(rows, device, stock)
    for arch in extremes(space):
        table.add(arch, "extreme")
    drawn = candidates(space, lambda: table.open_bands().values(), device)
    while table.open_bands():
        ratio, arch = next(drawn)
        for name, (low, high) in table.open_bands().items():
            if low <= ratio <= high:
                table.add(arch, name)


if __name__ == "__main__":
    main()
