"""Which architectures ghostbench trains: two narrow latency bands of the default space, and a few extremes.

    python -m benchmarks.ghostbench.architectures

Run it on a quiet machine, from the repository's root; it takes about 20 minutes, and goes on where it was stopped. A
proxy is worth something where latency alone decides nothing. So random designs of the space are measured until each
band, at most 1.25 times as wide as it begins, holds 16: one around the default target of 2.5 ms, one around the
latency of YOLO11n at the space's largest input size. Every second of a band is held out from any tuning of proxies.
Beside them stand the space's corners, scaled YOLO11 and the plain GhostNetV2 corner. All are measured once more as
finalists.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.latency_parts import Rows
from nas.architecture import Architecture
from nas.build import build, count, to_onnx
from nas.errors import LatencyError
from nas.latency import Latency, LatencySettings
from nas.latency.artifact import ModelBytes
from nas.latency.estimate import Calibration
from nas.latency.measure import calibration, compare, screen
from nas.latency.patience import patiently, surely
from nas.latency.sized import Sized
from nas.literals import ghost_corner, yolo11
from nas.space import SearchSpace, load_space
from nas.yolo_yaml import to_yaml

FOLDER = Path("results/reference/ghostbench")
HEADER = (
    *("arch", "yaml", "band", "held_out", "imgsz", "latency_ms", "low_ms", "high_ms", "params", "gflops"),
    *("device", "runtime"),
)
PER_BAND, WIDTH, TARGET_MS = 16, 1.25, 2.5
CLASSES = 3
"""BCCD's; the head of other data differs in its last 1x1 only."""
_LEARNT_FROM = 24
_LIKELY = 1.2


class Device:
    """What measures here."""

    def __init__(self) -> None:
        """Calibrate."""
        self.settings = LatencySettings()
        self.calibrated: Calibration = calibration(self.settings)

    def screened(self, arch: Architecture) -> float:
        """A second's measurement, in ms."""
        return patiently(lambda: screen(graph(arch), self.settings, self.calibrated, None), notice=print).latency_ms

    def final(self, arch: Architecture) -> Latency:
        """A finalist's measurement, asked again where it is not sure."""
        made = graph(arch)
        found = surely(
            lambda: patiently(lambda: compare([made], self.settings, self.calibrated), notice=print),
            lambda one: one.width,
            notice=print,
        )
        return found.latencies[0]


def graph(arch: Architecture) -> Sized:
    """The design as ONNX."""
    return Sized(ModelBytes("onnx", to_onnx(build(to_yaml(arch, CLASSES), seed=0), arch.imgsz)), arch.imgsz)


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
    """Random designs with their screened latency; once work tells latency roughly, those that may lie in a band."""
    rng, seen = random.Random(0), []
    while True:
        arch = space.decode(space.sample(rng))
        work = gflops(arch)
        if len(seen) >= _LEARNT_FROM:
            slope, offset = np.polyfit(*np.log(np.array(seen)).T, 1)
            rough = math.exp(offset + slope * math.log(work))
            if not any(low / _LIKELY <= rough <= high * _LIKELY for low, high in wanted()):
                continue
        try:
            latency_ms = device.screened(arch)
        except LatencyError as error:
            print(error, flush=True)
            continue
        seen.append((work, latency_ms))
        yield latency_ms, arch


def add(rows: Rows, arch: Architecture, band: str, held_out: bool, device: Device) -> None:
    """Measure as a finalist, keep the YAML and the row."""
    found = device.final(arch)
    counts = count(build(to_yaml(arch, CLASSES), seed=0), arch.imgsz)
    name = f"{len(rows.all()):02d}.yaml"
    (FOLDER / "models").mkdir(parents=True, exist_ok=True)
    (FOLDER / "models" / name).write_text(to_yaml(arch, CLASSES), encoding="utf-8")
    row = {
        "arch": arch.key,
        "yaml": f"models/{name}",
        "band": band,
        "held_out": int(held_out),
        "imgsz": arch.imgsz,
        "latency_ms": f"{found.latency_ms:.4f}",
        "low_ms": f"{found.low_ms:.4f}",
        "high_ms": f"{found.high_ms:.4f}",
        "params": counts.params,
        "gflops": f"{counts.gflops:.4f}",
        "device": found.key["device"],
        "runtime": f"{found.key['runtime']} {found.key['runtime_version']}",
    }
    rows.add(row)
    print(f"{band:8s} {found.latency_ms:7.3f} ms  {arch.key}", flush=True)


def main() -> None:
    """Choose and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, rows = Rows.asked_for(parser, FOLDER / "architectures.csv", HEADER, "rows")
    space, device = load_space("ghostv2-n"), Device()
    kept = {row["arch"] for row in rows.all()}
    for arch in extremes(space):
        if arch.key not in kept:
            add(rows, arch, "extreme", False, device)
    stock = yolo11("n", max(space.choices["imgsz"])).key
    middle = {"target": TARGET_MS, "yolo11n": next(float(r["latency_ms"]) for r in rows.all() if r["arch"] == stock)}
    half = math.sqrt(WIDTH * 0.99)  # a hair narrower: finalists move a little
    bands = {name: (at / half, at * half) for name, at in middle.items()}

    def full(name: str) -> bool:
        return sum(row["band"] == name for row in rows.all()) >= PER_BAND

    def wanted() -> list[tuple[float, float]]:
        return [limits for name, limits in bands.items() if not full(name)]

    for latency_ms, arch in candidates(space, wanted, device) if wanted() else ():
        for name, (low, high) in bands.items():
            if low <= latency_ms <= high and not full(name) and arch.key not in {row["arch"] for row in rows.all()}:
                add(rows, arch, name, sum(row["band"] == name for row in rows.all()) % 2 == 1, device)
        if not wanted():
            break


if __name__ == "__main__":
    main()
