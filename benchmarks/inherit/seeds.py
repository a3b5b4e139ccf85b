"""The winner of a finished search and its best baselines, trained at the last rung once more with other seeds."""

import csv
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common.rows import Rows
from benchmarks.inherit.report import spread, table
from nas.architecture import from_key, to_yaml
from nas.data import DetectionData, load
from nas.inherit import TAUGHT_STEPS, SourceChoice, begin, how_to_tune, tune
from nas.model import Losses, build
from nas.proxy import BASELINE_RATES, train_proxy, validate
from nas.search.shortlists import kind
from nas.util.machine_lock import MachineLock
from nas.util.provenance import host_machine, versions

LATENCY = ("latency_ms", "latency_low_ms", "latency_high_ms", "latency_level")
SEEDS_HEADER = (
    *(
        "data",
        "digest",
        "run",
        "target_ms",
        "label",
        "kind",
        "key",
        "imgsz",
        *LATENCY,
        "seed",
        "steps",
        "lr",
        "val",
        "select",
    ),
    *("precision", "host", "versions"),
)


def compared(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Of the designs of a last rung that meet the target the best candidate, then the best baseline of each kind.

    Args:
        rows: The run's `promoted.csv`, the most accurate first.
    """
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["meets_target"] == "true":
            found.setdefault("candidate" if row["trial"].isdecimal() else kind(row["trial"]), row)
    return sorted(found.values(), key=lambda row: not row["trial"].isdecimal())


def more_seeds(
    run: Path, source: SourceChoice, yaml: str, seeds: Sequence[int], also: Sequence[str], rows: Rows
) -> None:
    """Append what is missing: the search's own trainings, then one a design and seed.

    A baseline that the search did not train at its last rung is trained at every rate of `BASELINE_RATES`, and the
    better training by the selection part counts.

    Args:
        run: Results folder of a search with a last rung.
        source: What it started from.
        yaml: Its data YAML.
        seeds: Seeds of the further trainings.
        also: Labels of further baselines of the search.
        rows: Where rows are appended.

    Raises:
        SystemExit: The data are not the search's.
    """
    known = json.loads((run / "run.json").read_text())["settings"]
    data = load(yaml, fraction=known["fraction"])
    if data.digest != known["data_digest"]:
        raise SystemExit(f"{yaml} has the digest {data.digest}, the search's data had {known['data_digest']}")
    trained = _table(run / "promoted.csv")
    designs = compared(trained)
    missing = [one for one in also if one not in {row["trial"] for row in designs}]
    every = [*trained, *(row | {"trial": row["baseline"]} for row in _table(run / "baselines.csv"))]
    designs += [next(row for row in every if row["trial"] == label) for label in missing]
    steps = str(known["rungs"][-1])
    have = {(row["data"], row["run"], row["label"], row["seed"]) for row in rows.all()}
    for seed in (known["seed"], *seeds):
        for design in designs:
            if (data.name, run.name, design["trial"], str(seed)) not in have:
                lr = design["rung_lr"]
                scores = {"val": design["val_map50_95"], "select": design["rung_map50_95"], "lr": lr}
                if seed != known["seed"] or not lr:
                    rates = [float(lr)] if lr else BASELINE_RATES
                    tried = (trained_again(design, rate, seed, data, source, known) for rate in rates)
                    scores = max(tried, key=lambda one: float(one["select"]))
                rows.add(_row(design, seed, data, run) | {"target_ms": known["target_ms"], "steps": steps} | scores)
                print(data.name, run.name, design["trial"], seed, scores["val"], flush=True)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def trained_again(
    design: dict[str, str], lr: float, seed: int, data: DetectionData, source: SourceChoice, settings: dict[str, Any]
) -> dict[str, str]:
    """Train a design as the last rung of its search did, with another seed; its scores.

    Args:
        design: A row of `promoted.csv` or `baselines.csv`.
        lr: Learning rate.
        seed: Of fresh weights and of the training.
        data: The search's data.
        source: What it started from.
        settings: What its `run.json` says.
    """
    losses, lock, imgsz = Losses(settings["class_loss"], settings["box_loss"]), MachineLock(), int(design["imgsz"])
    how = how_to_tune(settings["source_steps"], settings["train_device"], settings["batch"], losses)
    tuned = tune(source, data, max(settings["imgsz"]), how, lock)  # what the search left in the cache folder
    model = build(to_yaml(from_key(design["architecture"]), data.nc), seed=seed)
    begin(model, tuned.file, data, imgsz, TAUGHT_STEPS, lock)
    asked = replace(how.longer(settings["rungs"][-1]), lr=lr, seed=seed)
    result, model = train_proxy(model, data, imgsz, asked, lock)
    val = validate(model, data.val, data, imgsz, lock=lock)
    return {
        "lr": f"{lr:g}",
        "val": f"{val.map50_95:.5f}",
        "select": f"{result.score.map50_95:.5f}",
        "precision": result.precision,
        "host": str(host_machine()["processor"]),
        "versions": " ".join(f"{name}={versions()[name]}" for name in ("ghostnas", "torch", "ultralytics")),
    }


def _row(design: dict[str, str], seed: int, data: DetectionData, run: Path) -> dict[str, Any]:
    label = design["trial"]
    return {
        "data": data.name,
        "digest": data.digest,
        "run": run.name,
        "label": label,
        "kind": "candidate" if label.isdecimal() else kind(label),
        "key": design["architecture"],
        **{name: design[name] for name in ("imgsz", *LATENCY)},
        "seed": seed,
    }


def is_rival(row: dict[str, str]) -> bool:
    """Whether a row is of a baseline whose latency's interval lies at or under the target."""
    return row["kind"] != "candidate" and float(row["latency_high_ms"]) <= float(row["target_ms"])


def seeds_table(rows: Sequence[dict[str, str]]) -> list[str]:
    """By run and design: latency, mean and range of val over the seeds, and its lead over the best baseline in time."""
    runs: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = {}
    for row in rows:
        runs.setdefault((row["data"], row["run"]), {}).setdefault(row["label"], []).append(row)

    def cells() -> Iterator[Sequence[str]]:
        for (data, run), designs in runs.items():
            vals = {label: [float(row["val"]) for row in some] for label, some in designs.items()}
            baselines = [statistics.mean(vals[at]) for at, some in designs.items() if is_rival(some[0])]
            for label, some in designs.items():
                lead = statistics.mean(vals[label]) - max(baselines) if baselines else None
                first = some[0]
                interval = f"{first['latency_low_ms']} to {first['latency_high_ms']}"
                yield (
                    *(data, run, label, f"{float(first['latency_ms']):.2f} ({interval})", first["steps"]),
                    *(first["lr"], str(len(some)), spread(vals[label]), "-" if lead is None else f"{lead:+.3f}"),
                )

    head = (
        "data",
        "run",
        "design",
        "ms (95%)",
        "steps",
        "rate",
        "seeds",
        "val",
        "against the best baseline that meets the target",
    )
    return table(head, cells())
