"""Weight sharing as a proxy: one parent trained once, every architecture of ghostbench scored with its weights.

    python -m benchmarks.parent.rank --data DATA.yaml --steps 1200              # trains, scores, keeps the parent
    python -m benchmarks.parent.rank --data DATA.yaml --steps 1200 --tune 30    # its weights, tuned for 30 steps

Rows go to `results/reference/ghostbench/proxies.csv`, as proxy `parent 1200 at 0.006` and `parent 1200 at 0.006 +
30`. The seconds of a row are those of the score and a fiftieth of the parent's training, as in a search of 50
candidates.
"""

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.ghostbench.architectures import FOLDER
from benchmarks.ghostbench.proxies import FIRST_SEED, HEADER
from benchmarks.latency_parts import Rows
from nas.architecture import from_key
from nas.util import ultralytics_env
from nas.util.paths import cache_subdir

ultralytics_env.prepare()

SHARED_BY = 50
"""Candidates of a search, each of which bears its share of the parent's training."""


def trained_parent(options: argparse.Namespace, space: Any, data: Any) -> tuple[Any, float]:
    """The parent, trained now or before, and the seconds that its training took."""
    from benchmarks.parent.net import Parent
    from benchmarks.parent.train import train_parent
    from nas.proxy import ProxySettings
    from nas.util.machine_lock import MachineLock

    settings = ProxySettings(
        steps=options.steps,
        lr=options.lr,
        seed=FIRST_SEED + options.seed,
        threads=options.threads,
        warmup=0.1,
        horizon=1,
        lr_inputs=None,
    )
    kind = "sandwich" if options.sandwich else "single"
    name = f"{space.digest}-{data.digest}-{kind}-{options.steps}-{options.lr:g}-{options.seed}.pt"
    path: Path = cache_subdir("parents", needed_bytes=2**28) / name
    parent = Parent(space, data.nc, seed=options.seed)
    if path.is_file():
        kept = torch.load(path, weights_only=True)
        parent.load_state_dict(kept["weights"])
        return parent, float(kept["seconds"])
    result, parent = train_parent(parent, space, data, settings, MachineLock(), options.sandwich)
    print(f"parent: {result.steps} steps, {result.seconds:.0f} s, loss {result.train_loss:.3f}", flush=True)
    torch.save({"weights": parent.state_dict(), "seconds": result.seconds}, path)
    return parent, result.seconds


def score(parent: Any, key: str, data: Any, tune: int, seed: int) -> float:
    """A design's mAP50-95 on the selection part with the parent's weights, tuned for some steps or as they are."""
    from benchmarks.parent.score import score_cut
    from nas.proxy import ProxySettings, train_proxy
    from nas.util.machine_lock import MachineLock

    arch, gate = from_key(key), MachineLock()
    plain = {"first_boxes": None, "lr_inputs": None}  # the weights are no fresh ones
    settings = ProxySettings(steps=max(1, tune), lr=0.002, seed=seed, warmup=0.1, horizon=1, **plain)
    if not tune:
        return score_cut(parent, arch, data, settings, gate).map50_95
    model = parent.child(arch).standalone()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("dfl" not in name)
    return train_proxy(model, data, arch.imgsz, settings, gate)[0].score.map50_95


def main() -> None:
    """Train, score what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--space", default="ghostv2-n")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--lr", type=float, default=0.006)
    parser.add_argument("--tune", type=int, default=0, help="steps of tuning before the score")
    parser.add_argument("--sandwich", action="store_true", help="train largest, smallest and two random cuts a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--band", help="only this band: target, yolo11n or extreme")
    parser.add_argument("--threads", type=int, default=1)
    options, rows = Rows.asked_for(parser, FOLDER / "proxies.csv", HEADER, "scores")
    from nas.data import load
    from nas.space import load_space

    torch.set_num_threads(options.threads)
    data = load(options.data)
    parent, seconds = trained_parent(options, load_space(options.space), data)
    print(f"parent: {seconds:.0f} s of training", flush=True)
    share = seconds / SHARED_BY
    name = f"{'sandwich' if options.sandwich else 'parent'} {options.steps} at {options.lr:g}"
    name += f" + {options.tune}" if options.tune else ""
    with (FOLDER / "architectures.csv").open(newline="") as file:
        chosen = [row for row in csv.DictReader(file) if options.band in (None, row["band"])]
    have = {(row["data"], row["proxy"], row["arch"], row["seed"]) for row in rows.all()}
    todo = [row for row in chosen if (data.name, name, row["arch"], str(options.seed)) not in have]
    for row in todo[: options.at_most if options.at_most >= 0 else None]:
        begun = time.monotonic()
        found = score(parent, row["arch"], data, options.tune, FIRST_SEED + options.seed)
        rows.add(
            {
                "data": data.name,
                "proxy": name,
                **{column: row[column] for column in ("arch", "band", "held_out")},
                "seed": options.seed,
                "score": f"{found:.6g}",
                "seconds": f"{time.monotonic() - begun + share:.2f}",
            }
        )
        print(" ".join(rows.all()[-1].values()), flush=True)


if __name__ == "__main__":
    main()
