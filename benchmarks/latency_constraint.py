"""Do accepted models meet the target when they are measured again?

Random designs of the default space are screened as the search does it. Whoever is not rejected gets a finalist
measurement; it is accepted when the upper end of its interval is at or under the target. Accepted models are measured
again, in fresh processes. The target is chosen near the middle of the space, so that many designs lie close to it.

    python benchmarks/latency_constraint.py --n 50 --target-latency 2ms

Rows are appended to the CSV file as they are measured; started again, the run goes on. Takes about 40 s a model.
"""

import argparse
import random
from pathlib import Path

from latency_parts import Rows

from nas.build import build, to_onnx
from nas.errors import LatencyError
from nas.latency import LatencySettings
from nas.latency.artifact import ModelBytes
from nas.latency.measure import calibration, compare, screen
from nas.latency.sized import Sized
from nas.space import load_space
from nas.units import latency_ms
from nas.yolo_yaml import to_yaml

HEADER = ("number", "verdict", "screened_ms", "screened_low_ms", "screened_high_ms", "finalist_ms", "finalist_high_ms")
HEADER += ("again_ms", "again_low_ms", "again_high_ms", "refused")
CSV = Path("results/reference/latency/constraint.csv")


def measure(arguments: argparse.Namespace, rows: Rows) -> None:
    """Draw, screen, accept and measure again until enough are accepted."""
    settings = LatencySettings()
    calibrated = calibration(settings)
    space, rng = load_space("ghostv2-n"), random.Random(0)
    done = rows.all()
    accepted = sum(row["verdict"] == "accepted" for row in done)
    left = arguments.at_most
    number = -1
    while accepted < arguments.n and left != 0:
        number += 1
        design = space.decode(space.sample(rng))
        if number < len(done):
            continue
        left -= 1
        graph = to_onnx(build(to_yaml(design, 6), seed=0), design.imgsz)
        model = Sized(ModelBytes("onnx", graph), design.imgsz)
        row: dict[str, object] = {"number": number}
        try:
            screened = screen(model, settings, calibrated, arguments.target)
            row |= {"screened_ms": f"{screened.latency_ms:.4f}", "screened_low_ms": f"{screened.low_ms:.4f}"}
            row["screened_high_ms"] = f"{screened.high_ms:.4f}"
            if screened.above(arguments.target):
                rows.add(row | {"verdict": "rejected"})
                continue
            finalist = compare([model], settings, calibrated).latencies[0]
            row |= {"finalist_ms": f"{finalist.latency_ms:.4f}", "finalist_high_ms": f"{finalist.high_ms:.4f}"}
            if not finalist.meets(arguments.target):
                rows.add(row | {"verdict": "not accepted"})
                continue
            again = compare([model], settings, calibrated).latencies[0]
            row |= {"again_ms": f"{again.latency_ms:.4f}", "again_low_ms": f"{again.low_ms:.4f}"}
            rows.add(row | {"verdict": "accepted", "again_high_ms": f"{again.high_ms:.4f}"})
            accepted += 1
        except LatencyError as error:
            rows.add(row | {"verdict": "refused", "refused": str(error)})


def summary(rows: Rows, target: float) -> None:
    """How far above the target accepted models lie when measured again."""
    found = rows.all()
    count = {v: sum(row["verdict"] == v for row in found) for v in ("accepted", "not accepted", "rejected", "refused")}
    print(f"target {target:g} ms; {', '.join(f'{number} {verdict}' for verdict, number in count.items())}")
    accepted = [row for row in found if row["verdict"] == "accepted"]
    if not accepted:
        return
    over = sorted((float(row["again_ms"]) / target - 1 for row in accepted), reverse=True)
    print(f"measured again, above the target by more than 1%: {sum(share > 0.01 for share in over)} of {len(over)}")
    print(f"above the target at all: {sum(share > 0 for share in over)}; the highest: {over[0]:+.2%}")
    near = sum(abs(float(row["finalist_ms"]) / target - 1) < 0.05 for row in accepted)
    print(f"accepted within 5% of the target: {near}")
    moved = sorted(abs(float(row["again_ms"]) / float(row["finalist_ms"]) - 1) for row in accepted)
    print(f"between the two measurements: median {moved[len(moved) // 2]:.2%}, largest {moved[-1]:.2%}")
    late = [row for row in found if row["finalist_ms"]]
    apart = sorted(abs(float(row["screened_ms"]) / float(row["finalist_ms"]) - 1) for row in late)
    print(f"between screening and finalist: median {apart[len(apart) // 2]:.2%}, largest {apart[-1]:.2%}")


def main() -> None:
    """Measure what is missing, then print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=50, help="accepted models")
    parser.add_argument("--target-latency", dest="target", type=latency_ms, default="2ms")
    parser.add_argument("--at-most", type=int, default=-1, help="end after this many designs")
    parser.add_argument("--csv", type=Path, default=CSV)
    parser.add_argument("--fresh", action="store_true", help="begin the CSV file anew")
    arguments = parser.parse_args()
    rows = Rows(arguments.csv, HEADER, arguments.fresh)
    measure(arguments, rows)
    summary(rows, arguments.target)


if __name__ == "__main__":
    main()
