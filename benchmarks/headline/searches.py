"""The arms that ghostnas searches: the product's own command, once an arm and seed."""

import csv
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.rows import Rows
from benchmarks.headline.arms import FROM, GHOST, SCRATCH, SEARCHED, Arm
from benchmarks.headline.clock import Clock
from benchmarks.headline.designs import Design
from benchmarks.headline.plan import Plan
from benchmarks.headline.provenance import origin
from nas.architecture import from_key, to_yaml
from nas.results import find_design
from nas.results.folder import provenance

HEADER = (
    *("data", "digest", "arm", "seed", "seconds", "ended", "trained", "rejected", "failed", "winner", "key", "imgsz"),
    *("latency_ms", "latency_low_ms", "latency_high_ms", "latency_level", "target_ms", "select", "steps", "val"),
    *("commit", "host", "versions"),
)


def check_same(plan: Plan, rows: Rows, finals: Rows) -> None:
    """Refuse to go on with tables of another comparison.

    Args:
        plan: The comparison.
        rows: The table of searches.
        finals: The table of final trainings.

    Raises:
        SystemExit: Their data, target or steps are not those that are asked for.
    """
    asked = {"digest": plan.data.digest, "target_ms": str(plan.target_ms), "steps": str(plan.steps)}
    known = [row | {"steps": asked["steps"]} for row in rows.all()]
    known += [row | {"target_ms": asked["target_ms"]} for row in finals.all()]
    other = next((f"{name} {row[name]}" for row in known for name in asked if row[name] != asked[name]), None)
    if other is not None:
        raise SystemExit(f"{plan.kept} is of another comparison ({other}); give another --kept and another --work")


def run_searches(plan: Plan, rows: Rows) -> None:
    """Run what is left of the searches; one that was broken off goes on by its own study.

    Args:
        plan: The comparison.
        rows: The table of searches.

    Raises:
        SystemExit: A search fails, is interrupted, or finds nothing that meets the target.
    """
    have = {(row["arm"], row["seed"]) for row in rows.all()}
    for seed in plan.seeds:
        for arm in SEARCHED:
            if (arm.name, str(seed)) not in have:
                rows.add(searched(plan, arm, seed))


def searched(plan: Plan, arm: Arm, seed: int) -> dict[str, Any]:
    """Run one search to its end; its row."""
    folder, log = plan.search_folder(arm.name, seed), plan.work / "logs" / f"{arm.name}-{seed}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    clock = Clock(plan.work / "clocks" / f"{arm.name}-{seed}.json")
    print(f"search {folder.name}, {clock.seconds:.0f} s so far: {log}", flush=True)
    with clock.running(), log.open("a") as file:
        done = subprocess.run(command(plan, arm, seed), stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"the search {folder.name} ended with exit code {done.returncode}; {log} says why")
    return row_of(plan, arm, seed, clock.seconds)


def command(plan: Plan, arm: Arm, seed: int) -> list[str]:
    """The command of a search."""
    how = plan.latency
    asked = {
        "--data": plan.yaml,
        "--target-latency": plan.target,
        "--target-stat": how.statistic,
        "--seed": str(seed),
        "--train-device": plan.device,
        "--workers": str(plan.workers),
        "--name": f"{arm.name}-{seed}",
        "--out": str(plan.work / "searches"),
    }
    if how.sustained_s is not None:
        asked["--sustained"] = f"{how.sustained_s:g}s"
    words = [word for pair in asked.items() for word in pair]
    own = arm.search_options(plan.source, plan.source_steps)
    return [sys.executable, "-m", "nas", "search", *words, *own, *plan.search_options]


def row_of(plan: Plan, arm: Arm, seed: int, seconds: float) -> dict[str, Any]:
    """What the tables say of a finished search.

    Args:
        plan: The comparison.
        arm: Its arm.
        seed: Its seed.
        seconds: Its wall time, all parts together.

    Raises:
        SystemExit: It was interrupted, or nothing meets the target.
    """
    folder = plan.search_folder(arm.name, seed)
    run = provenance(folder)
    if run["ended"] == "interrupted":
        raise SystemExit(f"the search {folder.name} was interrupted; the same command goes on with it")
    if run["best"] is None:
        raise SystemExit(f"the search {folder.name} found nothing that meets {plan.target}; take a higher one")
    measured = find_design(str(folder)).measured()
    assert measured is not None
    found = measured.row
    return {
        "data": plan.data.name,
        "digest": plan.data.digest,
        "arm": arm.name,
        "seed": seed,
        "seconds": round(seconds),
        **{name: run[name] for name in ("ended", "trained", "rejected", "failed")},
        "winner": run["best"],
        "key": found["architecture"],
        **{name: found[name] for name in ("imgsz", "latency_ms", "latency_low_ms", "latency_high_ms")},
        "latency_level": found["latency_level"],
        "target_ms": plan.target_ms,
        "select": found["rung_map50_95"] or found["map50_95"],
        "steps": found["rung_steps"],
        "val": found["val_map50_95"],
        **origin(),
    }


def winners(plan: Plan, rows: Rows) -> Iterator[Design]:
    """The designs that the searches found, and the GhostNetV2 corner."""
    for row in rows.all():
        yield _design(row["arm"], int(row["seed"]), row["key"], plan)
    file = plan.search_folder(SCRATCH.name, plan.seeds[0]) / "baselines.csv"
    keys = [row["architecture"] for row in _table(file) if row["baseline"] == GHOST.name]
    if not keys:
        raise SystemExit(f"{file} has no {GHOST.name}: the space of the search from scratch has no such corner")
    yield _design(GHOST.name, 0, keys[0], plan)


def wall_seconds(rows: Rows, arm: Arm) -> float:
    """The median wall time of an arm's searches."""
    return statistics.median(float(row["seconds"]) for row in rows.all() if row["arm"] == arm.name)


def settings_of(plan: Plan, arm: Arm = FROM) -> dict[str, Any]:
    """The settings of an arm's first search, as its `run.json` has them."""
    settings: dict[str, Any] = provenance(plan.search_folder(arm.name, plan.seeds[0]))["settings"]
    return settings


def _design(arm: str, search: int, key: str, plan: Plan) -> Design:
    architecture = from_key(key)
    return Design(arm, search, key, architecture.imgsz, to_yaml(architecture, plan.data.nc))


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
