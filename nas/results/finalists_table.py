"""The finalists of a search side by side, as text: the table of the report and of the terminal."""

from collections.abc import Sequence

from nas.study import Finalist

BEST_MARK = " *"


def header(*, rungs: bool) -> tuple[str, ...]:
    """The columns of `rows`.

    Args:
        rungs: Whether the search has some; then no design has more seeds than another.
    """
    more = ("steps", "longest") if rungs else ("seeds",)
    return ("design", "select", "95%", *more, "val", "ms", "95%", "meets", "params", "GFLOPs", "imgsz")


def rows(
    front: Sequence[Finalist],
    promoted: Sequence[Finalist],
    baselines: Sequence[Finalist],
    best: Finalist | None,
    *,
    rungs: bool,
) -> list[tuple[str, ...]]:
    """A row a finalist.

    Args:
        front: The front; those that meet the target come first, each group from the most accurate down.
        promoted: Candidates of the last rung that are not on the front.
        baselines: The baselines.
        best: The design of best.yaml, which is marked.
        rungs: Whether the search has some.
    """
    ordered = sorted(front, key=lambda f: (not f.meets_target, -f.accuracy))
    return [_row(one, one is best, rungs=rungs) for one in [*ordered, *promoted, *baselines]]


def _row(finalist: Finalist, best: bool, *, rungs: bool) -> tuple[str, ...]:
    latency, evaluation, estimate = finalist.final.latency, finalist.evaluation, finalist.estimate
    return (
        f"{finalist.record.label}{BEST_MARK if best else ''}",
        f"{finalist.accuracy:.3f}",
        f"{estimate.low:.3f}-{estimate.high:.3f}" if estimate else "-",
        *(_longest(finalist) if rungs else (str(finalist.seeds),)),
        f"{finalist.final.val.map50_95:.3f}",
        f"{latency.latency_ms:.2f}",
        f"{latency.low_ms:.2f}-{latency.high_ms:.2f}",
        ("yes" if finalist.meets_target else "no") + ("" if finalist.final.remeasured else "?"),
        f"{evaluation.params / 1e6:.2f}M",
        f"{evaluation.gflops:.2f}",
        str(evaluation.architecture.imgsz),
    )


def _longest(finalist: Finalist) -> tuple[str, str]:
    found = finalist.longest
    return ("-", "-") if found is None else (f"{found.steps:,}", f"{found.score.map50_95:.3f}")
