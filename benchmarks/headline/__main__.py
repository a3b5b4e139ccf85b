"""Does it pay? Searches, hand scaling and what people write today, at one latency, their designs trained alike.

    python -m benchmarks.headline DATA.yaml --source yolo11n.pt
    python -m benchmarks.headline DATA.yaml --source yolo11n.pt --report    # the tables of what there is
    python -m benchmarks.headline DATA.yaml --source yolo11n.pt --test      # scores test, once

Run it from the repository's root; the same command goes on where it was broken off. A row is appended as each search
and each training ends, in `results/reference/headline/NAME/`. docs/development/headline.md says how it is done.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

import torch

from benchmarks.common.rows import Rows
from benchmarks.headline import finals, held_out, latencies, searches
from benchmarks.headline.arms import FROM, HAND, HAND_SCRATCH, SCRATCH, SCRIPT, by_name
from benchmarks.headline.designs import Design, keep_yaml, opened
from benchmarks.headline.families import FAMILIES, at_hand
from benchmarks.headline.hand import hand_scaled
from benchmarks.headline.limited import limited
from benchmarks.headline.plan import Plan
from benchmarks.headline.plot import draw
from benchmarks.headline.provenance import write_provenance
from benchmarks.headline.report import Tables, compared
from benchmarks.headline.script import scripted
from benchmarks.headline.training import tuned_source
from nas.data import load
from nas.errors import GhostnasError
from nas.inherit import find_source
from nas.latency import LatencySettings
from nas.proxy import SOURCE_STEPS
from nas.search import scale_of_source
from nas.util import units
from nas.util.atomic_files import write_whole

KEPT = Path("results/reference/headline")


def run(plan: Plan) -> None:
    """Do what is left of everything."""
    plan.kept.mkdir(parents=True, exist_ok=True)
    found = _searches(plan)
    searches.check_same(plan, found, _finals(plan))
    searches.run_searches(plan, found)
    limits = limits_of(plan, found)
    write_provenance(plan)
    designs = _designs(plan, found, limits)
    for design in designs:
        keep_yaml(design, plan)
    table = _finals(plan)
    for row in finals.train_finals(designs, _starts(plan, designs), plan, table):
        print(
            " ".join(f"{name}={row[name]}" for name in ("arm", "search", "seed", "val", "select", "seconds")),
            flush=True,
        )
    show(plan)


def limits_of(plan: Plan, found: Rows) -> dict[str, float]:
    """Wall seconds of the arms that ghostnas does not search: those of the search that they are compared with."""
    pretrained, fresh = (searches.wall_seconds(found, arm) for arm in (FROM, SCRATCH))
    return {HAND.name: pretrained, HAND_SCRATCH.name: fresh, SCRIPT.name: pretrained}


def _designs(plan: Plan, found: Rows, limits: dict[str, float]) -> list[Design]:
    """The designs of all arms, their latencies measured."""
    device, scale = opened(plan), scale_of_source(plan.source)
    designs = list(searches.winners(plan, found))
    for arm, rival in ((HAND, FROM), (HAND_SCRATCH, SCRATCH)):
        settings = searches.settings_of(plan, rival)
        designs.append(hand_scaled(plan, arm, settings, limits[arm.name], device, scale))
    sizes = sorted(searches.settings_of(plan)["imgsz"])
    designs.append(scripted(plan, [*range(64, sizes[0], 32), *sizes], limits[SCRIPT.name], device))
    latencies.measure_all(designs, plan, device)
    return designs


def _starts(plan: Plan, designs: list[Design]) -> dict[str, Path | None]:
    """What each design inherits from: its family's checkpoint, tuned; None from scratch."""
    known, settings = dict(at_hand(plan.source, scale_of_source(plan.source))), searches.settings_of(plan)
    found: dict[str, Path | None] = {}
    for design in designs:
        family = next((one for one in FAMILIES if design.key.startswith(one)), FAMILIES[0])
        pretrained = by_name(design.arm).pretrained
        found[design.name] = tuned_source(plan, known[family], settings) if pretrained else None
    return found


def show(plan: Plan, part: str = "val") -> None:
    """Write and print the tables of what there is, and draw it."""
    found, rows = _searches(plan), _finals(plan).all()
    if not rows:
        raise SystemExit(f"{plan.kept} has no final training yet")
    designs = Rows(plan.kept / "designs.csv", latencies.HEADER, fresh=False).all()
    text, spreads = compared(Tables(designs, rows, found.all(), limited(plan).all()), plan.kept, part)
    write_whole(plan.kept / f"{part}.md", text.encode())
    column = rows if part == "val" else Rows(plan.kept / "test.csv", held_out.HEADER, fresh=False).all()
    draw(
        plan.kept / f"{part}.png", [(row["arm"], float(row[part])) for row in column], spreads, text.splitlines()[0][3:]
    )
    print(text)


def test(plan: Plan) -> None:
    """Score test, once; every final training must be done.

    Raises:
        SystemExit: A final training is missing, or test was read before.
    """
    designs = Rows(plan.kept / "designs.csv", latencies.HEADER, fresh=False).all()
    placed = [Design(row["arm"], int(row["search"]), row["key"], int(row["imgsz"]), "") for row in designs]
    rows = _finals(plan).all()
    have = {(row["arm"], row["search"], row["seed"]) for row in rows}
    missing = [
        f"{one.name}-{seed}"
        for one, seed in finals.wanted(placed, plan)
        if (one.arm, str(one.search), str(seed)) not in have
    ]
    if missing or not rows:
        raise SystemExit(
            f"final trainings are missing ({', '.join(missing) or 'all'}): run the command without --test first"
        )
    held_out.score_on_test(rows, plan)
    show(plan, "test")


def _searches(plan: Plan) -> Rows:
    return Rows(plan.kept / "searches.csv", searches.HEADER, fresh=False)


def _finals(plan: Plan) -> Rows:
    return Rows(plan.kept / "finals.csv", finals.HEADER, fresh=False)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", help="data YAML")
    made.add_argument("--source", default="yolo11n.pt", help="checkpoint of the pretrained arms")
    made.add_argument("--source-steps", type=int, default=SOURCE_STEPS, help="steps for which it is tuned first")
    made.add_argument("--target-latency", default="2.5ms")
    made.add_argument("--target-stat", default="quiet", choices=("quiet", "p50", "p95"))
    made.add_argument("--sustained", help="how long a p50 or p95 is measured")
    made.add_argument("--search-seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument(
        "--search-args", type=shlex.split, default=[], help="further options of every search, in one word"
    )
    made.add_argument("--finals-steps", type=int, default=1200)
    made.add_argument("--finals", type=int, help="final trainings of every arm; default: six or two")
    made.add_argument("--hand-steps", type=int, default=400, help="steps of hand scaling's first trainings")
    made.add_argument("--script-epochs", type=int, default=30, help="epochs of a training of the Optuna script")
    made.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="trainings side by side")
    made.add_argument("--train-device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    made.add_argument("--work", type=Path, help="folder of searches and files; default: results/headline-NAME")
    made.add_argument("--kept", type=Path, default=KEPT, help="folder of the tables")
    only = made.add_mutually_exclusive_group()
    only.add_argument("--report", action="store_true", help="print the tables of what there is")
    only.add_argument("--test", action="store_true", help="score the test split, once")
    return made


def plan_of(options: argparse.Namespace) -> Plan:
    """The comparison that was asked for."""
    data = load(options.data)
    source = find_source(options.source)
    if not isinstance(source, Path):
        raise SystemExit(f"--source must be a checkpoint, got {options.source}")
    sustained = None if options.sustained is None else units.duration_s(options.sustained)
    return Plan(
        data=data,
        source=source,
        source_steps=options.source_steps,
        work=(options.work or Path("results") / f"headline-{data.name}").absolute(),
        kept=(options.kept / data.name).absolute(),
        target=options.target_latency,
        target_ms=units.latency_ms(options.target_latency),
        latency=LatencySettings(statistic=options.target_stat, sustained_s=sustained),
        seeds=tuple(options.search_seeds),
        steps=options.finals_steps,
        hand_steps=min(options.hand_steps, options.finals_steps),
        epochs=options.script_epochs,
        finals=options.finals,
        workers=options.workers,
        device=options.train_device,
        search_options=tuple(options.search_args),
    )


def main(arguments: list[str] | None = None) -> None:
    """Run, report, or score test."""
    options = parser().parse_args(arguments)
    try:
        plan = plan_of(options)
        if options.test:
            test(plan)
        elif options.report:
            show(plan)
        else:
            run(plan)
    except GhostnasError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
