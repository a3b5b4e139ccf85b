"""Is the GPU idle when a training lets the machine lock go? Without the wait for the device, and with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from findings import started
from loop import design

from nas.architecture import to_yaml
from nas.data import load
from nas.model import build
from nas.proxy import ProxySettings, device, train_proxy

check = started(2)


class Watched:
    """A gate that asks, whenever a batch leaves it, whether the GPU has work left."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.idle: list[bool] = []

    @contextmanager
    def training(self) -> Iterator[None]:
        """Ask the stream."""
        yield
        self.idle.append(check.dry or torch.cuda.current_stream(check.device).query())


data = load(None)
arch = design("yolo11-n", 64 if check.dry else 160)
settings = ProxySettings(steps=2 if check.dry else 45, device=check.device, batch=4 if check.dry else 16)
waits = device.settle
# The first run warms the process up and counts for nothing.
for name, settle in (("warm-up", waits), ("without the wait", lambda device: None), ("with the wait", waits)):
    device.settle = settle
    lock = Watched()
    began = time.monotonic()
    result, _ = train_proxy(build(to_yaml(arch, data.nc), seed=0), data, arch.imgsz, settings, lock)
    busy = len(lock.idle) - sum(lock.idle)
    seconds = round(time.monotonic() - began, 2)
    check.note(f"batches that left the GPU at work, {name}", busy, f"of {len(lock.idle)}", seconds=seconds)
    steps = lock.idle[: settings.steps]
    check.note(f"training steps that left the GPU at work, {name}", len(steps) - sum(steps), f"of {len(steps)}")
    check.note("score", result.score.map50_95, "mAP50-95", loss=result.train_loss, precision=result.precision)
