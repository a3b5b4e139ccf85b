"""How much a fused model computes and moves, beyond the one count that a search stores.

Ultralytics 8.3 counted what `thop` hooked into modules; since 8.4 the matrix products of C2PSA's attention count too.
Published YOLO11 figures are by the older rule, so tables that stand beside them need it.
"""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode
from ultralytics.nn.tasks import DetectionModel

from nas.build import blank, count, fused

_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")


@dataclass(frozen=True, slots=True)
class Work:
    """Size of a fused model at one input size.

    Attributes:
        params: Parameters.
        gflops: 10^9 operations for one picture by the rule of Ultralytics 8.4, a multiply-add counted as two.
        gflops_8_3: The same by the rule of Ultralytics 8.3: without matrix products outside of modules.
        activations: Output elements of all convolutions: what has to be written to memory and read again.
        rule: What was counted, at which size and by which versions.
    """

    params: int
    gflops: float
    gflops_8_3: float
    activations: int
    rule: str


def work(model: DetectionModel, imgsz: int) -> Work:
    """Count a model; it is not changed.

    Args:
        model: Any detector.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: The counter counted nothing.
    """
    counts = count(model, imgsz)
    deployed = fused(model)
    written = 0

    def add(_: object, __: object, out: torch.Tensor) -> None:
        nonlocal written
        written += out.numel()

    for module in deployed.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(add)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        deployed(blank(deployed, imgsz))
    operations = counter.get_flop_counts()["Global"]
    products = sum(flops for op, flops in operations.items() if str(op).split(".")[-1] in _PRODUCTS)
    return Work(counts.params, counts.gflops, counts.gflops - products / 1e9, written, counts.rule)
