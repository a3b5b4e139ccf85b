"""The picture of a search: every trained candidate, the front, the baselines and the target."""

from collections.abc import Sequence
from pathlib import Path

from nas.estimates import Estimates
from nas.finals import Finalist
from nas.latency import Latency
from nas.latency.values import in_words
from nas.study import Record


def draw_front(
    path: Path,
    title: str,
    target_ms: float,
    records: Sequence[Record],
    known: Estimates,
    front: Sequence[Finalist],
    baselines: Sequence[Finalist],
) -> None:
    """Write a PNG of accuracy against latency."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    members = {finalist.record.number for finalist in front}
    others = [r for r in records if r.number not in members and r.evaluation and r.evaluation.score]
    trained = [(r.evaluation, known.accuracy(r.label)) for r in others if r.evaluation]
    rejected = [r.evaluation for r in records if r.status == "rejected" and r.evaluation]
    axes.scatter(
        [e.latency.latency_ms for e, _ in trained],
        [accuracy for _, accuracy in trained],
        s=22,
        color="0.65",
        label=f"other trained candidates ({len(trained)})",
    )
    latencies = sorted(front, key=lambda f: f.final.latency.latency_ms)
    x = [f.final.latency.latency_ms for f in latencies]
    spread = [
        [f.final.latency.latency_ms - f.final.latency.low_ms for f in latencies],
        [f.final.latency.high_ms - f.final.latency.latency_ms for f in latencies],
    ]
    axes.errorbar(
        x,
        [f.accuracy for f in latencies],
        xerr=spread,
        yerr=[
            [f.accuracy - f.estimate.low if f.estimate else 0.0 for f in latencies],
            [f.estimate.high - f.accuracy if f.estimate else 0.0 for f in latencies],
        ],
        fmt="o-",
        color="C0",
        ms=5,
        capsize=2,
        label="Pareto front",
    )
    for finalist, marker in zip(baselines, "*PXDv^", strict=False):
        axes.scatter(
            [finalist.final.latency.latency_ms],
            [finalist.accuracy],
            marker=marker,
            s=110,
            color="C3",
            label=f"baseline {finalist.record.label}",
        )
    axes.axvline(target_ms, color="C2", ls="--", label=f"target {target_ms:g} ms")
    bottom, top = axes.get_ylim()
    if rejected:
        slowest = max([target_ms * 1.6, *(f.final.latency.latency_ms * 1.05 for f in [*front, *baselines])])
        shown = [e.latency.latency_ms for e in rejected if e.latency.latency_ms <= slowest]
        axes.plot(
            shown,
            [bottom] * len(shown),
            "|",
            color="0.4",
            ms=9,
            label=f"rejected, not trained ({len(rejected)})",
        )
        axes.set_ylim(bottom, top)
    axes.set_xlabel(_measured([f.evaluation.latency for f in [*front, *baselines]] + [e.latency for e in rejected]))
    axes.set_ylabel("mAP50-95 of the proxy on the selection part")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path)


def _measured(latencies: Sequence[Latency]) -> str:
    """What the latencies of a search are, and where they were measured."""
    if not latencies:
        return "latency in ms"
    how = latencies[0].settings
    return f"latency in ms on {how.where} ({in_words(how.statistic, how.sustained_s)}, 95% interval)"
