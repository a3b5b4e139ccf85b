"""What the arms came to that have a wall time to keep to: a row once one has ended."""

from benchmarks.common.rows import Rows
from benchmarks.headline.arms import Arm
from benchmarks.headline.clock import Clock
from benchmarks.headline.designs import Design
from benchmarks.headline.plan import Plan
from benchmarks.headline.provenance import origin

HEADER = ("data", "digest", "arm", "key", "imgsz", "limit_s", "seconds", "designs", "commit", "host", "versions")


def limited(plan: Plan) -> Rows:
    """The table."""
    return Rows(plan.kept / "limited.csv", HEADER, fresh=False)


def clock_of(plan: Plan, arm: Arm) -> Clock:
    """The clock of an arm."""
    return Clock(plan.work / "clocks" / f"{arm.name}.json")


def chosen_key(plan: Plan, arm: Arm) -> str | None:
    """The key of the design that an arm came to; None where it has not ended."""
    return next((row["key"] for row in limited(plan).all() if row["arm"] == arm.name), None)


def keep_chosen(plan: Plan, design: Design, limit_s: float, seconds: float, designs: int) -> Design:
    """Append the row of an arm that has ended; its design.

    Args:
        plan: The comparison.
        design: The design that the arm came to.
        limit_s: Wall seconds that it had.
        seconds: Those that it took.
        designs: The designs that it trained.
    """
    limited(plan).add(
        {
            "data": plan.data.name,
            "digest": plan.data.digest,
            "arm": design.arm,
            "key": design.key,
            "imgsz": design.imgsz,
            "limit_s": round(limit_s),
            "seconds": round(seconds),
            "designs": designs,
            **origin(),
        }
    )
    return design
