"""The latencies of all designs, measured side by side in fresh processes."""

from collections.abc import Sequence
from typing import Any

from benchmarks.common.rows import Rows
from benchmarks.headline.designs import Design, exported, measured_together
from benchmarks.headline.plan import Plan
from benchmarks.headline.provenance import origin
from nas.latency import Device
from nas.model import build, count

HEADER = (
    *("data", "digest", "arm", "search", "key", "imgsz", "params", "gflops", "latency_ms", "latency_low_ms"),
    *("latency_high_ms", "target_ms", "meets_target", "commit", "host", "versions"),
)


def measure_all(designs: Sequence[Design], plan: Plan, device: Device) -> None:
    """Write `designs.csv` anew where it is not of exactly these designs.

    Args:
        designs: The designs of all arms.
        plan: The comparison.
        device: Where.

    Raises:
        LatencyError: A file does not run, or the device stays disturbed.
    """
    path = plan.kept / "designs.csv"
    wanted = [(one.arm, str(one.search), one.key) for one in designs]
    known = Rows(path, HEADER, fresh=False).all()
    if [(row["arm"], row["search"], row["key"]) for row in known] == wanted:
        return
    print(f"latencies of {len(designs)} designs, side by side", flush=True)
    found = measured_together([exported(one.yaml, one.imgsz, plan) for one in designs], device)
    rows = Rows(path, HEADER, fresh=True)
    for one, latency in zip(designs, found, strict=True):
        counts = count(build(one.yaml, plan.data.nc, seed=0), one.imgsz)
        row: dict[str, Any] = {
            "data": plan.data.name,
            "digest": plan.data.digest,
            "arm": one.arm,
            "search": one.search,
            "key": one.key,
            "imgsz": one.imgsz,
            "params": counts.params,
            "gflops": f"{counts.gflops:.4f}",
            "latency_ms": f"{latency.latency_ms:.4f}",
            "latency_low_ms": f"{latency.low_ms:.4f}",
            "latency_high_ms": f"{latency.high_ms:.4f}",
            "target_ms": plan.target_ms,
            "meets_target": str(latency.meets(plan.target_ms)).lower(),
        }
        rows.add(row | origin())
