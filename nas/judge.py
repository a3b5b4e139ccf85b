"""A weight-sharing parent at work: it is trained once, then designs are judged with its weights in a second each."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.errors import ProxyError
from nas.evaluate import Task
from nas.exploration import Judged
from nas.latency.known_features import features_of
from nas.latency.predictor import Predictor
from nas.notices import tell
from nas.space import SearchSpace
from nas.turnstile import Turnstile
from nas.yolo_yaml import to_yaml

if TYPE_CHECKING:
    from nas.proxy.parent import Parent

PARENT_FILE = "parent.pt"
_LEARNING_RATE, _WARM_UP = 0.006, 0.1
_TOLD = 4


def prepare_parent(space: SearchSpace, steps: int, task: Task) -> float:
    """Train the parent of a space, and keep its weights in the results folder.

    Args:
        space: The space.
        steps: How long.
        task: How the search trains; known weights and a teacher play no part.

    Returns:
        The seconds that it took.

    Raises:
        UsageError: The space holds something that no rule cuts.
        ProxyError: The loss became infinite.
    """
    import torch

    from nas.data import load
    from nas.proxy.parent import Parent
    from nas.proxy.parent_train import train_parent

    course = replace(task.proxy.with_steps(steps), lr=_LEARNING_RATE, horizon=1.0, warmup=_WARM_UP)
    settings = replace(course, weights=None, teacher=None)
    marks = {steps * part // _TOLD for part in range(1, _TOLD)}

    def observe(step: int) -> None:
        if step in marks:
            tell(task.folder, f"the parent is trained for {step} of {steps} steps")

    with Turnstile().step():
        parent = Parent(space, task.classes, seed=settings.seed)
    data = load(task.data, fraction=task.fraction)
    result, trained = train_parent(parent, space, data, settings, Turnstile(), observe=observe)
    path = task.folder / PARENT_FILE
    draft = path.with_suffix(".part")
    torch.save(trained.cpu().state_dict(), draft)
    draft.replace(path)
    tell(task.folder, f"the parent is trained: {steps} steps, {result.seconds / 60:.1f} min")
    return result.seconds


def judge(
    space: SearchSpace, designs: tuple[Architecture, ...], predictor: Predictor, task: Task
) -> tuple[Judged, ...]:
    """Predict the latency of designs, and score those that meet the limits with the parent's weights.

    Args:
        space: Their space.
        designs: The designs.
        predictor: What predicts their latencies.
        task: How the search evaluates; the parent lies in its folder.

    Raises:
        ModelError: A design cannot be built or exported.
    """
    from nas.data import load
    from nas.proxy.parent_score import score_cut

    path = task.folder / PARENT_FILE
    parent = _parent(path, path.stat().st_mtime_ns, space, task.classes)
    data = load(task.data, fraction=task.fraction)

    def judged(design: Architecture) -> Judged:
        with Turnstile().step():  # building a graph keeps a core busy
            latency_ms = predictor.predict(features_of(design, task.classes)).latency_ms
            hopeless = latency_ms > task.limits.target_ms or _too_large(design, task)
        if hopeless:
            return Judged(design, latency_ms, None)
        try:
            return Judged(design, latency_ms, score_cut(parent, design, data, task.proxy, Turnstile()).map50_95)
        except ProxyError:  # its outputs are not finite with weights that were not trained for it
            return Judged(design, latency_ms, None)

    return tuple(judged(design) for design in designs)


def _too_large(design: Architecture, task: Task) -> bool:
    limits = task.limits
    if limits.max_params is None and limits.max_gflops is None:
        return False
    from nas.build import build, count

    counts = count(build(to_yaml(design, task.classes), seed=0), design.imgsz)
    return counts.params > (limits.max_params or counts.params) or counts.gflops > (limits.max_gflops or counts.gflops)


@lru_cache(maxsize=1)
def _parent(path: Path, written_ns: int, space: SearchSpace, classes: int) -> "Parent":
    """The kept parent, read once a process."""
    import torch

    from nas.proxy.parent import Parent

    parent = Parent(space, classes)
    parent.load_state_dict(torch.load(path, weights_only=True))
    return parent
