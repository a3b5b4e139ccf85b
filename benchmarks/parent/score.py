"""The score of a design with a parent's weights as they are: what a search could ask of hundreds of designs.

A fine-tuning of a few dozen steps makes the score higher and its order worse (docs/log.md), so there is none.
"""

from benchmarks.parent.net import Parent
from nas.architecture import Architecture
from nas.data import DetectionData, pixels
from nas.proxy import ProxySettings, Score, StepGate, find_device, find_precision, recalibrate, threads, validate


def score_cut(
    parent: Parent,
    arch: Architecture,
    data: DetectionData,
    settings: ProxySettings,
    turnstile: StepGate | None = None,
) -> Score:
    """Score a design on the selection part with a parent's weights, its BatchNorm statistics taken anew.

    Args:
        parent: The trained parent, on the CPU.
        arch: A design of the parent's space.
        data: The data set.
        settings: `recalibration`, `batch`, `precision`, `device` and `threads` are used.
        turnstile: Passed with every batch.

    Raises:
        ProxyError: The outputs are not finite.
        DataError: The pictures cannot be read or do not fit into memory.
    """
    device = find_device(settings.device)
    precision = find_precision(settings.precision, device)
    with threads(settings.threads):
        model = parent.child(arch).standalone().to(device)
        source = pixels(data.train, arch.imgsz)
        recalibrate(model, source, settings.recalibration, settings.batch, device, precision, turnstile)
        return validate(model, data.select, data, arch.imgsz, device=settings.device, turnstile=turnstile)
