"""Before anything trains: can the target be met in this space, and which known designs meet it?"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from nas.architecture import Architecture
from nas.errors import GhostnasError, TargetUnreachable
from nas.latency import open_device
from nas.search.evaluate import Task, measure_only
from nas.search.scaled_baselines import Screened, scaled_baselines
from nas.search.source_baselines import source_baselines
from nas.space import Scale, SearchSpace, ghost_corner, scaled_yolo11, yolo11
from nas.study import Evaluation

Measure = Callable[[Architecture, Task], Evaluation]

_FEW = 4
_SEEDS = 2
"""YOLO11 of the space, narrower than what meets the target, that the candidates begin with."""


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What the start-up check found.

    Attributes:
        fastest_ms: Latency of the fastest of the space's smallest corner designs that were measured.
        slowest_ms: Latency of the slowest of the space's largest corner designs that were measured.
        baselines: The designs to compare with, by label.
        seeds: Known designs of the space to begin with.
    """

    fastest_ms: float
    slowest_ms: float
    baselines: dict[str, Architecture]
    seeds: tuple[Architecture, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "fastest_ms": self.fastest_ms,
            "slowest_ms": self.slowest_ms,
            "baselines": {label: design.to_dict() for label, design in self.baselines.items()},
            "seeds": [design.to_dict() for design in self.seeds],
        }

    @classmethod
    def from_dict(cls, data: dict[str, object]) -> "Feasibility":
        """The inverse of `to_dict`."""
        known = {**data}
        baselines: dict[str, dict[str, object]] = known.pop("baselines")  # type: ignore[assignment]
        seeds: list[dict[str, object]] = known.pop("seeds")  # type: ignore[assignment]
        return cls(
            **known,  # type: ignore[arg-type]
            baselines={label: Architecture.from_dict(design) for label, design in baselines.items()},
            seeds=tuple(Architecture.from_dict(design) for design in seeds),
        )


def check(
    space: SearchSpace,
    task: Task,
    measure: Measure = measure_only,
    literals: Iterable[Sequence[Architecture]] = (),
    source: Scale | None = None,
) -> Feasibility:
    """Measure the corners of the space and find the baselines that meet the target.

    Args:
        space: The search space.
        task: How its designs are evaluated.
        measure: What measures them.
        literals: Known designs of the space to begin with, each at its input sizes, the largest first; the first size
            that meets the limits is taken.
        source: Which YOLO11 the candidates inherit from; then it is what they are compared with, at smaller input
            sizes and narrowed. None from scratch.

    Raises:
        TargetUnreachable: Even the fastest corner misses a limit; the message says what is reachable and how.
        LatencyError: A latency could not be measured.
    """
    corners = space.smallest()
    small = [measure(design, task) for design in _few(corners)]
    if all(e.violations for e in small):
        small += [measure(design, task) for design in corners if design not in _few(corners)]
        best = min(small, key=lambda e: e.latency.latency_ms).architecture
        kinds = product(*(space.choices[name] for name in ("neck", "head")))
        others = [replace(best, neck=neck, head=head) for neck, head in kinds]
        small += [measure(design, task) for design in others if design != best]
    if all(e.violations for e in small):
        raise TargetUnreachable(_advice(space, task, small, measure))
    slowest = max(measure(design, task).latency.latency_ms for design in _few(space.largest()))
    if source is None:
        baselines, seeds = _known_designs(space, task, measure)
    else:
        baselines = source_baselines(
            source, space.choices["imgsz"], lambda design: _screened(measure(design, task), task)
        )
        seeds = []
    taken = {design.canonical().key for design in baselines.values()}
    for sizes in literals:
        met = _first_meeting(sizes, task, measure)
        seeds += [] if met is None else [sizes[met]]
    return Feasibility(
        fastest_ms=min(e.latency.latency_ms for e in small),
        slowest_ms=slowest,
        baselines=baselines,
        seeds=tuple(dict.fromkeys(design for design in seeds if design.canonical().key not in taken)),
    )


def _screened(found: Evaluation, task: Task) -> Screened:
    """Whether a design meets the limits more likely than not: what is screened above the target mostly misses it."""
    share = found.latency.latency_ms / task.limits.target_ms
    return Screened(not found.violations and share <= 1, share)


def _known_designs(
    space: SearchSpace, task: Task, measure: Measure
) -> tuple[dict[str, Architecture], list[Architecture]]:
    """The baselines of a search from scratch, and narrower or smaller ones of the space to begin with."""
    sizes = space.choices["imgsz"]
    baselines = {"yolo11n": yolo11("n", max(sizes))}
    corner = ghost_corner(space)
    met = _first_meeting(corner, task, measure)
    ghost = len(corner) - 1 if met is None else met
    if corner:
        baselines["ghostnetv2"] = corner[ghost]
    scaled = scaled_baselines(sizes, lambda design: _screened(measure(design, task), task))
    baselines |= {label: design for label, design in scaled.items() if design != baselines["yolo11n"]}
    narrower = [
        design
        for design in scaled_yolo11(space)
        if any(design.imgsz == one.imgsz and design.stages[1].width < one.stages[1].width for one in scaled.values())
    ]
    return baselines, [*narrower[:_SEEDS], *corner[ghost + 1 :][:1]]


def _few(corners: Sequence[Architecture]) -> Sequence[Architecture]:
    """Of the corners of a space with many families one a family: those whose down-samplers are convolutions.

    GhostNetV3's is GhostNetV2's once it is deployed.
    """
    plain = [
        corner
        for corner in corners
        if {stage.downsample for stage in corner.stages} == {"conv"}
        and "ghostv3" not in {stage.block for stage in corner.stages}
    ]
    return corners if len(corners) <= _FEW or not plain else plain


def _first_meeting(designs: Sequence[Architecture], task: Task, measure: Measure) -> int | None:
    """Index of the first design that meets the limits.

    One after the other: a bisection that meets one disturbed measurement ends far from the target.
    """
    return next((i for i, design in enumerate(designs) if not measure(design, task).violations), None)


def _measured_with(task: Task, runtime: str) -> Task | GhostnasError:
    """The task with another runtime; why not, where that does not work here."""
    try:
        return replace(task, device=open_device(replace(task.latency, runtime=runtime)).calibrated())
    except GhostnasError as error:
        return error


def _roomy(value: float) -> str:
    """A fifth more, in two digits."""
    return f"{float(f'{1.2 * value:.2g}'):g}"


def _advice(space: SearchSpace, task: Task, small: Sequence[Evaluation], measure: Measure) -> str:
    fastest = min(small, key=lambda e: e.latency.latency_ms)
    how, limits = task.latency, task.limits
    slow = fastest.latency.above(limits.target_ms)
    broken = "; ".join(one.text for one in fastest.violations)
    heavy = fastest.gflops > (limits.max_gflops or math.inf)
    lines = [
        f"no model of {space.name} meets the limits on this device: the fastest takes "
        f"{fastest.latency.latency_ms:.2f} ms at imgsz {fastest.architecture.imgsz} "
        f"({how.runtime}, {how.precision}, {how.threads} thread(s)), and {broken}."
    ]
    room = {
        f"--target-latency {_roomy(fastest.latency.high_ms)}ms": slow,
        f"--max-params {_roomy(fastest.params / 1e6)}M": fastest.params > (limits.max_params or math.inf),
        f"--max-gflops {_roomy(fastest.gflops)}": heavy,
        f"--max-size {_roomy(fastest.onnx_bytes / 1e6)}MB": fastest.onnx_bytes > (limits.max_bytes or math.inf),
    }
    ways = [f"{option} leaves room above the fastest model" for option, missed in room.items() if missed]
    smaller = max(64, fastest.architecture.imgsz // 2 // 32 * 32)
    options = [
        *([(f"--imgsz {smaller}", replace(fastest.architecture, imgsz=smaller), task)] if slow or heavy else []),
        *(
            (f"--runtime {runtime}", fastest.architecture, _measured_with(task, runtime))
            for runtime in ("onnxruntime", "openvino")
            if slow and runtime != how.runtime and how.device == "cpu"
        ),
    ]
    for option, design, changed in options:
        if design == fastest.architecture and changed == task:
            continue
        try:
            if isinstance(changed, GhostnasError):
                raise changed
            found = measure(design, changed)
            work = f" and {found.gflops:.3f} GFLOPs" if heavy else ""
            ways.append(f"{option}: its fastest takes {found.latency.latency_ms:.2f} ms{work}")
        except GhostnasError as error:
            ways.append(f"{option}: not measured ({error})")
    ways.append("another space (--space) with smaller stem, neck and head widths")
    return "\n  - ".join([lines[0] + " What is reachable:", *ways])
