"""The arm of the Optuna script: what people write today, on the same data, for the same wall time.

Its val is the selection part, so that it has not seen the pictures on which all are compared. Its latencies are its
own; of its designs the best counts that meets the target in fresh processes.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.headline import scale_yolo11
from benchmarks.headline.arms import SCRIPT
from benchmarks.headline.clock import Clock
from benchmarks.headline.designs import Design, first_meeting
from benchmarks.headline.limited import chosen_key, clock_of, keep_chosen
from benchmarks.headline.plan import Plan
from nas.data import write_view
from nas.latency import Device
from nas.util.atomic_files import write_whole

_ENDING_S = 5.0
"""With less time left than this the script is not begun again."""


def scripted(plan: Plan, sizes: Sequence[int], limit_s: float, device: Device) -> Design:
    """The design that the script comes to in a wall time; goes on where it was broken off.

    Args:
        plan: The comparison.
        sizes: Input sizes that it may choose from, in pixels.
        limit_s: Wall seconds.
        device: Where its designs are measured afterwards.

    Raises:
        SystemExit: It fails, none of its designs meets the target, or the one that was chosen is gone.
    """
    folder, clock, chosen = plan.work / SCRIPT.name, clock_of(plan, SCRIPT), chosen_key(plan, SCRIPT)
    if chosen is not None:
        found = next((one for one in ranked(folder) if one.key == chosen), None)
        if found is None:
            raise SystemExit(f"{folder} has no {chosen} any more; delete the row of {SCRIPT.name} in limited.csv")
        return found
    _run(plan, sizes, limit_s, folder, clock)
    write_whole(plan.kept / "script.csv", (folder / "trials.csv").read_bytes())
    designs = ranked(folder)
    return keep_chosen(plan, first_meeting(designs, 1, plan, device)[0], limit_s, clock.seconds, len(designs))


def ranked(folder: Path) -> list[Design]:
    """The designs that the script trained, the best by its own val first.

    Args:
        folder: Its folder.

    Raises:
        SystemExit: It trained none.
    """
    with (folder / "trials.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row["map50_95"]))
    if not rows:
        raise SystemExit(f"{folder} has no trained design: the script pruned all; take a higher --target-latency")
    return [_design(row, folder) for row in rows]


def _design(row: dict[str, str], folder: Path) -> Design:
    key = f"yolo11n width {float(row['width']):.4f} depth {float(row['depth']):g} {row['imgsz']} px"
    text = (folder / f"trial_{row['trial']}.yaml").read_text()
    return Design(SCRIPT.name, 0, key, int(row["imgsz"]), f"scale: n\n{text}")


def _run(plan: Plan, sizes: Sequence[int], limit_s: float, folder: Path, clock: Clock) -> None:
    """Let it run for the time that is left."""
    left = limit_s - clock.seconds
    if left < _ENDING_S and (folder / "trials.csv").is_file():
        return
    data = plan.data
    shown = replace(data, whole=data.train, val=replace(data.select, name="val"), digest=f"{data.digest}-select")
    asked = {
        "--data": write_view(shown, plan.work / "views"),
        "--weights": plan.source,
        "--target-ms": plan.target_ms,
        "--seconds": max(left, _ENDING_S),
        "--folder": folder,
        "--epochs": plan.epochs,
        "--device": plan.device.removeprefix("cuda:"),
    }
    words = [str(word) for pair in asked.items() for word in pair]
    log = plan.work / "logs" / f"{SCRIPT.name}.txt"
    for one in (log.parent, folder):
        one.mkdir(parents=True, exist_ok=True)
    print(f"{SCRIPT.name}: {left:.0f} s: {log}", flush=True)
    with clock.running(), log.open("a") as file:
        done = subprocess.run(
            [sys.executable, scale_yolo11.__file__, *words, "--sizes", *map(str, sizes)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,  # Ultralytics exports into the current folder
            env=_environment(plan.work),
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"the Optuna script ended with exit code {done.returncode}; {log} says why")


def _environment(work: Path) -> dict[str, str]:
    """A user's environment without the network, and without what this process has told Ultralytics."""
    left_out = ("ULTRALYTICS_SAFE_LOAD", "PYTEST_CURRENT_TEST")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    home = work / "ultralytics"
    home.mkdir(parents=True, exist_ok=True)
    return kept | {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(home)}
