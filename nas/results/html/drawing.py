"""The drawing of a design: its stages from the picture to the boxes, their blocks, widths and estimated times."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.architecture import LEVELS, Architecture
from nas.results.html.design_words import BLOCKS, head_words, neck_words, stage_words
from nas.study import HEAD, NECK, STEM, TOP, Finalist, Outcome, StageTime, compared_pair, yolo11_of


@dataclass(frozen=True, slots=True)
class DrawnStage:
    """A row of the drawing.

    Attributes:
        name: `stem`, `P2` to `P5`, `SPPF, C2PSA`, `neck` or `head`.
        family: Which block it is, a key that gives its colour.
        block: What it is called.
        words: All of it in words.
        side: Side of its maps in pixels; None where it has several.
        channels: Output channels; None where it has several.
        width: The same in percent of the widest of both designs.
        depth: Blocks one after the other.
        ms: What it is estimated to take; None where there is no estimate.
        share: The same in percent of the slowest of both designs.
    """

    name: str
    family: str
    block: str
    words: str
    side: int | None
    channels: int | None
    width: float
    depth: int
    ms: float | None
    share: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn design.

    Attributes:
        label: The design.
        role: `best` or `baseline`.
        imgsz: Input size in pixels.
        latency_ms: Its latency.
        stages: Its rows.
    """

    label: str
    role: str
    imgsz: int
    latency_ms: float
    stages: tuple[DrawnStage, ...]


def drawings(outcome: Outcome) -> tuple[Drawing, ...]:
    """The best design, and beside it a YOLO11 (`yolo11_of`) where there is another.

    Args:
        outcome: The search.
    """
    pair = compared_pair(outcome)
    if pair is None:
        return ()
    best, rival = pair
    beside = yolo11_of(outcome.baselines, rival)
    shown = [best] if beside is None or beside is best else [best, beside]
    times = {} if outcome.comparison is None else outcome.comparison.stages
    widest = max(_widest(one.evaluation.architecture) for one in shown)
    slowest = max((time.ms for one in shown for time in times.get(one.record.label, ())), default=0.0)
    return tuple(
        _drawing(one, "best" if one is best else "baseline", times.get(one.record.label, ()), widest, slowest)
        for one in shown
    )


def _widest(design: Architecture) -> int:
    return max(design.stem_width, *(stage.width for stage in design.stages), design.neck_width)


def _drawing(one: Finalist, role: str, times: Sequence[StageTime], widest: int, slowest: float) -> Drawing:
    design = one.evaluation.architecture.canonical()
    ms = {time.stage: time.ms for time in times}

    def row(
        name: str, family: str, block: str, words: str, side: int | None, channels: int | None, depth: int = 1
    ) -> DrawnStage:
        found = ms.get(name)
        share = 0.0 if found is None or not slowest else round(100 * found / slowest, 2)
        width = 0.0 if channels is None else round(100 * channels / widest, 2)
        return DrawnStage(name, family, block, words, side, channels, width, depth, found, share)

    stem = row(
        STEM, "conv", "Conv", f"Conv 3×3 with {design.stem_width} channels", design.imgsz // 2, design.stem_width
    )
    stages = [
        row(
            level,
            stage.block,
            BLOCKS[stage.block],
            f"{stage_words(stage)}, down-sampled by {stage.downsample}",
            design.imgsz // 2 ** (place + 2),
            stage.width,
            stage.depth,
        )
        for place, (level, stage) in enumerate(zip(LEVELS, design.stages, strict=True))
    ]
    top = [name for name, there in (("SPPF", design.sppf), ("C2PSA", design.c2psa)) if there]
    width = design.stages[-1].width
    above = [row(TOP, "top", " + ".join(top), " and ".join(top), design.imgsz // 32, width)] if top else []
    neck = row(NECK, "neck", f"{design.neck.upper()} neck", neck_words(design), None, design.neck_width)
    head = row(HEAD, "head", "Detect", head_words(design), None, None)
    return Drawing(
        one.record.label, role, design.imgsz, one.final.latency.latency_ms, (stem, *stages, *above, neck, head)
    )
