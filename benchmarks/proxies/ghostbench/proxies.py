"""The scores of proxies for ghostbench's architectures, and what each cost.

    python -m benchmarks.proxies.ghostbench.proxies --data DATA.yaml --proxy search
    python -m benchmarks.proxies.ghostbench.proxies --data DATA.yaml --proxy nwot

A row is appended a proxy, architecture and seed (`results/reference/ghostbench/proxies.csv`); started again, the run
goes on. What costs nothing (parameters, operations, latency) stands in `architectures.csv` already. `python
benchmarks/proxies/quality.py` sets all of them against the long trainings.
"""

import argparse
import csv
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.common.jobs import results
from benchmarks.common.rows import Rows
from benchmarks.proxies.ghostbench.architectures import FOLDER
from benchmarks.proxies.ghostbench.train import PLAIN, selected
from benchmarks.proxies.quality import SEARCH_STEPS
from nas.architecture import Architecture, from_key
from nas.util import ultralytics_env

ultralytics_env.prepare()

HEADER = ("data", "proxy", "arch", "band", "held_out", "seed", "score", "seconds")
FIRST_SEED = 100
"""Weights and orders of pictures that no training of the truth has."""
_NWOT_PICTURES = 16
_MOMENTS = (30, 45, 60)


def _model(arch: Architecture, nc: int, seed: int) -> nn.Module:
    from nas.architecture import to_yaml
    from nas.model import build

    model: nn.Module = build(to_yaml(arch, nc), seed=seed)
    return model


def short_training(**settings: Any) -> Callable[[Architecture, Any, int], float]:
    """A short training from scratch, scored on the selection part: as a search makes it but for some settings."""

    def score(arch: Architecture, data: Any, seed: int) -> float:
        from nas.proxy import ProxySettings, train_proxy
        from nas.util.machine_lock import MachineLock

        asked = ProxySettings(seed=seed, **settings)
        result, _ = train_proxy(_model(arch, data.nc, seed), data, arch.imgsz, asked, MachineLock())
        return result.score.map50_95

    return score


def moments(arch: Architecture, data: Any, seed: int) -> dict[str, float]:
    """What one training says at several moments, on other pictures, and by its losses."""
    from nas.proxy import ProxySettings, train_proxy, validate
    from nas.util.machine_lock import MachineLock

    settings, lock = ProxySettings(steps=90, seed=seed, horizon=1, **PLAIN), MachineLock()
    found: dict[str, float] = {}

    def observe(step: int, average: nn.Module) -> None:
        if step in _MOMENTS:
            found[f"after {step}"] = selected(average, data, arch.imgsz, settings, lock)

    model = _model(arch, data.nc, seed)
    result, final = train_proxy(model, data, arch.imgsz, settings, lock, observe)
    found["in the end"] = result.score.map50_95
    found["by the last losses"] = -result.train_loss
    found["on train"] = validate(final, data.train, data, arch.imgsz, lock=lock).map50_95
    return found


@torch.no_grad()
def nwot(arch: Architecture, data: Any, seed: int) -> float:
    """Log-determinant of how alike pictures switch an untrained net's units (Mellor et al. 2021, arXiv 2006.04647)."""
    from nas.data import pixels
    from nas.proxy import plain_images

    model = _model(arch, data.nc, seed).train()  # BatchNorm of the batch: an untrained net has no other statistics
    count = _NWOT_PICTURES
    kernel = torch.zeros(count, count, dtype=torch.float64)

    def switched(_: nn.Module, __: Any, out: torch.Tensor) -> None:
        codes = (out.flatten(1) > 0).double()  # (B, units)
        kernel.add_(codes @ codes.T + (1 - codes) @ (1 - codes).T)

    hooks = [
        module.register_forward_hook(switched)
        for module in model.modules()
        if isinstance(module, nn.SiLU | nn.ReLU | nn.Hardswish)
    ]
    assert hooks, "the model has no activation"
    # One activation module serves a whole model: its hook is called for each use.
    model(plain_images(pixels(data.select, arch.imgsz), torch.arange(count), torch.device("cpu")))
    return float(torch.linalg.slogdet(kernel)[1])


PROXIES: dict[str, Callable[[Architecture, Any, int], float | dict[str, float]]] = {
    "search": short_training(steps=SEARCH_STEPS),
    "45 of 90 steps": short_training(steps=45, horizon=2, **PLAIN),
    "45 of 90 steps from even boxes": short_training(steps=45, horizon=2, lr_inputs=None),
    "45 of 90 steps at even rates": short_training(steps=45, horizon=2, first_boxes=None),
    "90 steps": short_training(steps=90, horizon=1, **PLAIN),
    "90 steps at half the learning rate": short_training(steps=90, lr=0.006, horizon=1, **PLAIN),
    "moments of 90 steps": moments,
    "40 steps": short_training(steps=40, horizon=1, **PLAIN),
    "nwot": nwot,
}


def scored(name: str, row: dict[str, str], seed: int, source: str | None) -> list[dict[str, Any]]:
    """The scores of one run and what it cost."""
    from nas.data import load

    torch.set_num_threads(1)
    data, arch = load(source), from_key(row["arch"])
    begun = time.monotonic()
    answer = PROXIES[name](arch, data, FIRST_SEED + seed)
    scores = {f"{name}, {of}": score for of, score in answer.items()} if isinstance(answer, dict) else {name: answer}
    if not all(map(math.isfinite, scores.values())):
        raise SystemExit(f"{name} gave {scores} for {arch.key}")
    return [
        {
            "data": data.name,
            "proxy": proxy,
            **{column: row[column] for column in ("arch", "band", "held_out")},
            "seed": seed,
            "score": f"{score:.6g}",
            "seconds": f"{time.monotonic() - begun:.2f}",
        }
        for proxy, score in scores.items()
    ]


def main() -> None:
    """Score what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--proxy", choices=PROXIES, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--band", help="only this band: target, yolo11n or extreme")
    parser.add_argument("--jobs", type=int, default=2, help="scores side by side, one thread each")
    options, rows = Rows.asked_for(parser, FOLDER / "proxies.csv", HEADER, "scores")
    from nas.data import load

    with (FOLDER / "architectures.csv").open(newline="") as file:
        chosen = [row for row in csv.DictReader(file) if options.band in (None, row["band"])]
    name = load(options.data).name
    have = {(row["data"], row["proxy"].split(", ")[0], row["arch"], row["seed"]) for row in rows.all()}
    have |= {(row["data"], row["proxy"], row["arch"], row["seed"]) for row in rows.all()}
    todo = [
        (options.proxy, row, seed, options.data)
        for seed in range(options.seeds)
        for row in chosen
        if (name, options.proxy, row["arch"], str(seed)) not in have
    ]
    for found in results(scored, todo[: options.at_most if options.at_most >= 0 else None], options.jobs):
        for row in found:
            rows.add(row)
            print(" ".join(rows.all()[-1].values()), flush=True)


if __name__ == "__main__":
    main()
