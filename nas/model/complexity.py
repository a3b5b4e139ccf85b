"""How much a fused model computes and moves, beyond the one count that a search stores.

Ultralytics 8.3 counted what `thop` (2.0) hooked into modules: multiply-adds of convolutions, one operation an output of
an enlarged or average-pooled map. Since 8.4 functions count as well, among them the matrix products of C2PSA's
attention. Published YOLO11 figures are by the older rule, so tables that stand beside them need it.
"""

from dataclasses import dataclass
from importlib.metadata import version

import thop
import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel

from nas.errors import ModelError
from nas.model.builder import blank, fused


@dataclass(frozen=True, slots=True)
class Complexity:
    """Size of a fused model at one input size.

    Attributes:
        params: Parameters.
        gflops: 10^9 operations for one picture by the rule of Ultralytics 8.4, a multiply-add counted as two.
        gflops_8_3: The same by the rule of Ultralytics 8.3.
        activations: Output elements of all convolutions: what has to be written to memory and read again.
        rule: What was counted, at which size and by which versions.
    """

    params: int
    gflops: float
    gflops_8_3: float
    activations: int
    rule: str


def complexity_of(model: DetectionModel, imgsz: int) -> Complexity:
    """Count a model; it is not changed.

    Args:
        model: Any detector.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: The counter counted nothing.
    """
    counts = count(model, imgsz)
    deployed = fused(model)
    operations = written = 0

    def add(module: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal operations, written
        if isinstance(module, nn.Conv2d):
            operations += out.numel() * module.weight[0].numel()
            written += out.numel()
        else:
            operations += out.numel()

    for module in deployed.modules():
        if isinstance(module, nn.Conv2d | nn.Upsample | nn.AvgPool2d):
            module.register_forward_hook(add)
    with torch.no_grad():
        deployed(blank(deployed, imgsz))
    return Complexity(counts.params, counts.gflops, operations * 2 / 1e9, written, counts.rule)


@dataclass(frozen=True, slots=True)
class Counts:
    """Size of a fused model.

    Attributes:
        params: Parameters.
        gflops: 10^9 operations for one picture, a multiply-add counted as two.
        rule: What was counted, at which size and by which versions.
    """

    params: int
    gflops: float
    rule: str


def count(model: DetectionModel, imgsz: int) -> Counts:
    """Count parameters and operations of the fused model at its own input size.

    Args:
        model: Any detector; it is not changed.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: The counter counted nothing.
    """
    deployed = fused(model)
    picture = blank(deployed, imgsz)
    operations = thop.profile(deployed, inputs=[picture], verbose=False)[0]
    params = sum(parameter.numel() for parameter in deployed.parameters())
    if not (params and operations):
        raise ModelError(
            "the operation counter counted nothing; `pip uninstall thop` and then "
            "`pip install --force-reinstall ultralytics-thop` (both packages write the folder thop/)"
        )
    rule = (
        f"fused model at {imgsz}x{imgsz}, 2 x multiply-adds by "
        f"ultralytics-thop {version('ultralytics-thop')} (Ultralytics {version('ultralytics')})"
    )
    return Counts(params=params, gflops=operations * 2 / 1e9, rule=rule)
