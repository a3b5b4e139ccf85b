"""Do models that were accepted meet their target when they are measured again?

Random designs of the default space get a screening and a finalist measurement, each. Each design's target is the
tightest one at which it would have been accepted: the upper end of its finalist interval. So every design lies as close
to its limit as a design can. It is measured again, as a finalist in fresh processes, and must not lie above that target
by more than 1%. And a screening that knows the target, as the search's does, must not reject it: a design is rejected
when the whole screening interval lies above the target, at whichever look.

    python -m benchmarks.latency.constraint --n 50

Rows are appended to the CSV file as they are measured; started again, the run goes on. Takes about 30 s a design.
"""

import argparse
import random
import statistics
from pathlib import Path

from benchmarks.common.rows import Rows
from nas.architecture import to_yaml
from nas.errors import LatencyError
from nas.latency import (
    Latency,
    LatencyDevice,
    LatencySettings,
    SizedModel,
    retry_while_disturbed,
)
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, to_onnx
from nas.space import load_space

HEADER = ("number", *(f"{name}{end}_ms" for name in ("screened", "finalist", "again") for end in ("", "_low", "_high")))
HEADER += ("finalist_memory", "again_memory", "weights_mb", "seconds", "refused")
CSV = Path("results/reference/latency/constraint.csv")
GATE_HEADER = ("number", "target_ms", "latency_ms", "low_ms", "slices", "seconds", "rejected")


def values(name: str, latency: Latency) -> dict[str, str]:
    """A latency as columns."""
    found = {"": latency.latency_ms, "_low": latency.low_ms, "_high": latency.high_ms}
    return {f"{name}{end}_ms": f"{value:.5f}" for end, value in found.items()}


def row_of(model: SizedModel, settings: LatencySettings, device: LatencyDevice) -> dict[str, str]:
    """Screen a design, measure it, and measure it again."""
    try:
        screened = device.screen(model, None)
        finalist, again = (device.compare([model]).latencies[0] for _ in range(2))
        row = values("screened", screened) | values("finalist", finalist) | values("again", again)
        row |= {
            f"{name}_memory": f"{one.conditions['memory']:.3f}"
            for name, one in {"finalist": finalist, "again": again}.items()
        }
        return row | {"weights_mb": f"{len(model.model.data) / 1e6:.1f}", "seconds": f"{finalist.seconds:.1f}"}
    except LatencyError as error:
        return {"refused": str(error)}


def measure(arguments: argparse.Namespace, rows: Rows) -> None:
    """Measure designs until enough were accepted."""
    settings = LatencySettings()
    device = LatencyDevice(settings).calibrated()
    space, rng = load_space("ghostv2-n"), random.Random(0)
    done = rows.all()
    accepted, left = sum(not row["refused"] for row in done), arguments.at_most
    number = -1
    while accepted < arguments.n and left != 0:
        number += 1
        design = space.decode(space.sample(rng))
        if number < len(done):
            continue
        left -= 1
        graph = to_onnx(build(to_yaml(design, 6), seed=0), design.imgsz)
        row = row_of(SizedModel(ModelBytes("onnx", graph), design.imgsz), settings, device)
        rows.add({"number": number} | row)
        accepted += "refused" not in row


def gate(arguments: argparse.Namespace, rows: Rows) -> Rows:
    """Screen every accepted design once more, knowing its target, as the search does."""
    gated = Rows(arguments.csv.with_stem(f"{arguments.csv.stem}-gate"), GATE_HEADER, arguments.fresh)
    done = {row["number"] for row in gated.all()}
    settings = LatencySettings()
    device = LatencyDevice(settings).calibrated()
    space, rng = load_space("ghostv2-n"), random.Random(0)
    for row in rows.all():
        design = space.decode(space.sample(rng))
        if row["refused"] or row["number"] in done:
            continue
        target_ms = float(row["finalist_high_ms"])
        graph = to_onnx(build(to_yaml(design, 6), seed=0), design.imgsz)
        model = SizedModel(ModelBytes("onnx", graph), design.imgsz)
        found = retry_while_disturbed(lambda model=model, target_ms=target_ms: device.screen(model, target_ms))
        times = {
            "latency_ms": f"{found.latency_ms:.5f}",
            "low_ms": f"{found.low_ms:.5f}",
            "seconds": f"{found.seconds:.2f}",
        }
        verdict = {"slices": len(found.samples), "rejected": int(found.above(target_ms))}
        gated.add({"number": row["number"], "target_ms": f"{target_ms:.5f}"} | times | verdict)
    return gated


def summary(rows: Rows, gated: Rows) -> None:
    """How far above its target each design lies when measured again."""
    found = rows.all()
    accepted = [{k: float(v) for k, v in row.items() if v} for row in found if not row["refused"]]
    print(f"{len(accepted)} designs accepted at the upper end of their interval, {len(found) - len(accepted)} refused")
    if not accepted:
        return
    over = sorted((row["again_ms"] / row["finalist_high_ms"] - 1 for row in accepted), reverse=True)
    print(f"measured again, above the target by more than 1%: {sum(share > 0.01 for share in over)} of {len(over)}")
    print(f"above the target at all: {sum(share > 0 for share in over)}; the highest: {over[0]:+.2%}")
    verdicts = [int(row["rejected"]) for row in gated.all()]
    print(f"rejected by a screening that knew the target: {sum(verdicts)} of {len(verdicts)}")
    halves = [(row["finalist_high_ms"] - row["finalist_low_ms"]) / 2 / row["finalist_ms"] for row in accepted]
    print(f"half width of the finalist interval: median {statistics.median(halves):.2%}, largest {max(halves):.2%}")
    pairs = (("finalist", "again"), ("finalist", "screened"))
    for one, other in pairs:
        apart = [abs(row[f"{other}_ms"] / row[f"{one}_ms"] - 1) for row in accepted]
        print(f"between {one} and {other}: median {statistics.median(apart):.2%}, largest {max(apart):.2%}")


def main() -> None:
    """Measure what is missing, then print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=50, help="accepted designs")
    arguments, rows = Rows.asked_for(parser, CSV, HEADER, "designs")
    measure(arguments, rows)
    summary(rows, gate(arguments, rows))


if __name__ == "__main__":
    main()
