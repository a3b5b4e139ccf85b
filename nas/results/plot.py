"""The picture of a search: every trained candidate, the front, the baselines and the target."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import GhostnasError
from nas.latency import Latency, in_words
from nas.study import Estimates, Finalist, Record, TrainedRecord, estimates, trained
from nas.util.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    with canvas() as figure:
        _draw(figure.add_subplot(), title, target_ms, records, known, front, baselines)
        figure.savefig(path, format="png")


@cache
def check_drawing() -> None:
    """Draw an empty picture, so that what keeps Matplotlib from drawing is known before a search and not after it.

    Raises:
        GhostnasError: It cannot draw.
    """
    try:
        with canvas() as figure:
            _draw(figure.add_subplot(), "", 1.0, (), estimates((), {}), (), ())
            figure.savefig(BytesIO(), format="png")
    except Exception as error:  # a broken installation can raise anything
        raise GhostnasError(
            "the picture of the front could not be drawn at the end, so mend Matplotlib's installation first: "
            f"{type(error).__name__}: {error}"
        ) from error


@contextmanager
def canvas() -> "Iterator[Figure]":
    """A figure in Matplotlib's own style, whatever the user's; glyphs that its font lacks are boxes, not warnings."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with warnings.catch_warnings(), matplotlib.rc_context(matplotlib.rcParamsDefault):
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def _draw(
    axes: "Axes",
    title: str,
    target_ms: float,
    records: Sequence[Record],
    known: Estimates,
    front: Sequence[Finalist],
    baselines: Sequence[Finalist],
) -> None:
    members = {finalist.record.number for finalist in front}
    rejected = [r.evaluation.latency for r in records if r.status == "rejected" and r.evaluation]
    _draw_others(axes, [r for r in trained(records) if r.number not in members], known)
    _draw_intervals(axes, sorted(front, key=lambda f: f.final.latency.latency_ms))
    _draw_baselines(axes, baselines)
    axes.axvline(target_ms, color="C2", ls="--", label=f"target {target_ms:g} ms")
    if rejected:
        slowest = max([target_ms * 1.6, *(f.final.latency.latency_ms * 1.05 for f in [*front, *baselines])])
        _draw_rejected(axes, rejected, slowest)
    axes.set_xlabel(_measured([*(f.evaluation.latency for f in [*front, *baselines]), *rejected]))
    axes.set_ylabel("mAP50-95 of the proxy on the selection part")
    axes.set_title(printable(title), fontsize=10)
    for text in (axes.title, axes.xaxis.label):
        text.set_parse_math(False)  # a folder's name may hold dollar signs
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right")


def _draw_others(axes: "Axes", others: Sequence[TrainedRecord], known: Estimates) -> None:
    """The trained candidates that are not on the front, by their screened latencies."""
    axes.scatter(
        [record.evaluation.latency.latency_ms for record in others],
        [known.accuracy(record.label) for record in others],
        s=22,
        color="0.65",
        label=f"other trained candidates ({len(others)})",
    )


def _draw_intervals(axes: "Axes", front: Sequence[Finalist]) -> None:
    """The front, from the fastest to the slowest, with both intervals of each member."""
    latencies = [f.final.latency for f in front]
    axes.errorbar(
        [one.latency_ms for one in latencies],
        [f.accuracy for f in front],
        xerr=[
            [one.latency_ms - one.low_ms for one in latencies],
            [one.high_ms - one.latency_ms for one in latencies],
        ],
        yerr=[
            [f.accuracy - f.estimate.low if f.estimate else 0.0 for f in front],
            [f.estimate.high - f.accuracy if f.estimate else 0.0 for f in front],
        ],
        fmt="o-",
        color="C0",
        ms=5,
        capsize=2,
        label="Pareto front",
    )


def _draw_baselines(axes: "Axes", baselines: Sequence[Finalist]) -> None:
    for finalist, marker in zip(baselines, cycle("*PXDv^"), strict=False):
        axes.scatter(
            [finalist.final.latency.latency_ms],
            [finalist.accuracy],
            marker=marker,
            s=110,
            color="C3",
            label=f"baseline {finalist.record.label}",
        )


def _draw_rejected(axes: "Axes", latencies: Sequence[Latency], slowest_ms: float) -> None:
    """Marks on the lower edge, up to `slowest_ms`: a far slower design would press all others together."""
    bottom, top = axes.get_ylim()
    shown = [one.latency_ms for one in latencies if one.latency_ms <= slowest_ms]
    label = f"rejected, not trained ({len(latencies)})"
    axes.plot(shown, [bottom] * len(shown), "|", color="0.4", ms=9, label=label)
    axes.set_ylim(bottom, top)


def _measured(latencies: Sequence[Latency]) -> str:
    """What the latencies of a search are, and where they were measured."""
    if not latencies:
        return "latency in ms"
    how = latencies[0].settings
    return f"latency in ms on {how.where} ({in_words(how.statistic, how.sustained_s)}, 95% interval)"
