"""Trials an hour of the lean training loop against stock `YOLO.train`: equal designs, steps, batch and pictures.

    python -m benchmarks.proxies.trials_per_hour --data DATA.yaml

Stock: one process with all cores, as a search that calls `YOLO.train` a trial would run it (AdamW, cosine, no mosaic
left, no plots, pictures cached in memory). Ours: as many 1-thread workers as there are cores. The two take turns,
design by design; neither the workers' start is counted nor Ultralytics' import. Both models are scored on the data's
val with our own score. Run it on an idle machine; takes about 10 minutes.
"""

import argparse
import multiprocessing
import os
import random
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from nas.architecture import from_key, to_yaml
from nas.data import load
from nas.space import load_space
from nas.util import ultralytics_env

ultralytics_env.prepare()

BATCH = 16


def stock(key: str, source: str | None, steps: int) -> tuple[float, float]:
    """Seconds and val mAP50-95 of one trial by `YOLO.train`."""
    from ultralytics import YOLO

    from nas.model import register
    from nas.proxy import validate
    from nas.util.ultralytics_env import without_trackers

    register()
    without_trackers()
    torch.set_num_threads(os.cpu_count() or 1)
    data, arch = load(source), from_key(key)
    pictures = len(data.train) + len(data.select)  # stock has no selection part
    with tempfile.TemporaryDirectory() as folder:
        yaml = Path(folder) / "design.yaml"
        yaml.write_text(to_yaml(arch, data.nc), encoding="utf-8")
        begun = time.monotonic()
        model = YOLO(str(yaml), task="detect")
        model.train(
            data=str(data.source),
            epochs=max(1, round(steps * BATCH / pictures)),
            batch=BATCH,
            nbs=BATCH,
            imgsz=arch.imgsz,
            optimizer="AdamW",
            lr0=0.006,
            cos_lr=True,
            close_mosaic=0,
            cache="ram",
            workers=0,
            device="cpu",
            amp=False,
            plots=False,
            verbose=False,
            project=folder,
        )
        seconds = time.monotonic() - begun
        best = YOLO(str(model.trainer.best)).model.float()
    return seconds, validate(best, data.val, data, arch.imgsz).map50_95


def lean(key: str, source: str | None, steps: int, seed: int) -> tuple[float, float, float]:
    """Seconds, val mAP50-95 and peak memory in MiB of one trial by the lean loop, in this process."""
    from nas.model import build
    from nas.proxy import ProxySettings, train_proxy, validate

    torch.set_num_threads(1)
    data, arch = load(source), from_key(key)
    begun = time.monotonic()
    model = build(to_yaml(arch, data.nc), seed=seed)
    plain: dict[str, Any] = {"first_boxes": None, "lr_inputs": None}  # as stock begins and learns
    settings = ProxySettings(steps=steps, batch=BATCH, seed=seed, horizon=1, **plain)
    _, trained = train_proxy(model, data, arch.imgsz, settings)
    seconds = time.monotonic() - begun
    score = validate(trained, data.val, data, arch.imgsz).map50_95
    return seconds, score, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Take turns, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--designs", type=int, default=4)
    options = parser.parse_args()
    space, drawn, cores = load_space("ghostv2-n"), random.Random(0), os.cpu_count() or 1
    ratios, scores, memory = [], [], 0.0
    lines: list[str] = []
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        warm: Any = [pool.submit(lean, space.smallest()[0].key, options.data, 2, 0) for _ in range(cores)]
        for one in warm:
            one.result()
        stock(space.smallest()[0].key, options.data, 2)
        for _ in range(options.designs):
            key = space.decode(space.sample(drawn)).key
            theirs = stock(key, options.data, options.steps)
            begun = time.monotonic()
            ours = [
                one.result()
                for one in [pool.submit(lean, key, options.data, options.steps, seed) for seed in range(cores)]
            ]
            each = (time.monotonic() - begun) / cores
            ratios.append(theirs[0] / each)
            scores.append((theirs[1], statistics.mean(one[1] for one in ours)))
            memory = max(memory, *(one[2] for one in ours))
            times = f"{theirs[0]:.0f} s | {each:.0f} s | {ratios[-1]:.1f}"
            lines.append(f"| `{key}` | {times} | {theirs[1]:.3f} | {scores[-1][1]:.3f} |")
    print(
        "\n| design | stock, a trial | ours, a trial | ratio | stock val mAP50-95 | ours |\n|---|---|---|---|---|---|"
    )
    print("\n".join(lines))
    print(
        f"\ntrials an hour: {statistics.median(ratios):.1f} times as many ({min(ratios):.1f} to {max(ratios):.1f}); "
        f"val mAP50-95 {statistics.mean(b - a for a, b in scores):+.3f} in the mean; at most {memory:.0f} MiB a worker"
    )


if __name__ == "__main__":
    main()
