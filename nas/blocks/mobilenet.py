"""MobileNetV3's block (Howard et al. 2019, arXiv 1905.02244, section 5.3 and table 1)."""

from torch import nn
from ultralytics.nn.modules.conv import Conv

from nas.blocks.inverted import InvertedResidual
from nas.blocks.parsed import ParsedAs
from nas.blocks.squeeze import SqueezeExcite, divisible


class MobileNetV3Block(InvertedResidual, metaclass=ParsedAs, stock=Conv):
    """Inverted residual with squeeze-and-excitation of the hidden channels.

    Args:
        c1: Input channels.
        c2: Output channels.
        hidden: Channels of the depthwise convolution.
        s: Stride.
        k: Kernel of the depthwise convolution.
        se: Squeeze-and-excitation ratio, rounded to multiples of 8; 0 for none.
        act: True for the model's activation (the paper's: ReLU early, h-swish late), False for none, or a module.
    """

    def __init__(
        self, c1: int, c2: int, hidden: int, s: int = 1, k: int = 3, se: float = 0.25, act: bool | nn.Module = True
    ) -> None:
        squeeze = SqueezeExcite(hidden, divisible(int(hidden * se), 8)) if se else None
        super().__init__(c1, c2, hidden, s, k, squeeze, act)
