"""The asymptotic feature pyramid network: neighbouring levels first, farther ones later.

Yang et al. 2023, arXiv 2306.15988, section 3; the adaptive fusion is that of Liu et al. 2019, arXiv 1911.09516,
section 3.2.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head import Detect

from nas.blocks.parsed import ParsedAs

_COMPRESSED = 8
_BLOCKS = 3


class Resampled(nn.Module):
    """A map brought to another level's channels and size.

    Downwards one strided convolution whose kernel is its stride; upwards a 1x1 and bilinear interpolation.

    Args:
        c1: Input channels.
        c2: Output channels.
        levels: How many levels down the pyramid (each halves the size); negative for up.
    """

    def __init__(self, c1: int, c2: int, levels: int) -> None:
        super().__init__()
        self.enlarged = 2**-levels if levels < 0 else 0
        factor = 1 if levels < 0 else 2**levels
        self.conv = Conv(c1, c2, factor, factor, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c1, H, W) to (B, c2, H / 2^levels, W / 2^levels)."""
        out: torch.Tensor = self.conv(x)
        return F.interpolate(out, scale_factor=float(self.enlarged), mode="bilinear") if self.enlarged else out


class AdaptiveFusion(nn.Module):
    """Maps of equal size, added with weights that are computed at each position and sum to 1.

    Args:
        c: Channels of every map.
        maps: How many maps.
    """

    def __init__(self, c: int, maps: int) -> None:
        super().__init__()
        self.compress = nn.ModuleList(Conv(c, _COMPRESSED, 1) for _ in range(maps))
        self.weigh = nn.Conv2d(_COMPRESSED * maps, maps, 1)
        self.smooth = Conv(c, c, 3)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (B, c, H, W) to one of (B, c, H, W)."""
        seen = torch.cat([compress(one) for compress, one in zip(self.compress, maps, strict=True)], 1)
        weights = self.weigh(seen).softmax(1).split(1, 1)  # (B, 1, H, W) each
        out = maps[0] * weights[0]
        for one, weight in zip(maps[1:], weights[1:], strict=True):
            out = out + one * weight
        smooth: torch.Tensor = self.smooth(out)
        return smooth


class BasicBlock(nn.Module):
    """Two 3x3 with a shortcut around them (He et al. 2016, arXiv 1512.03385, figure 2).

    Args:
        c: Input and output channels.
    """

    def __init__(self, c: int) -> None:
        super().__init__()
        self.first = Conv(c, c, 3)
        self.second = Conv(c, c, 3, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c, H, W) to (B, c, H, W)."""
        out: torch.Tensor = self.first.act(x + self.second(self.first(x)))
        return out


class FusedLevel(nn.Module):
    """One level made of several: each brought to its size, fused, and passed through basic blocks.

    Args:
        channels: Channels of the maps, from the largest map to the smallest.
        level: Which of them is made.
    """

    def __init__(self, channels: Sequence[int], level: int) -> None:
        super().__init__()
        c = channels[level]
        self.resample = nn.ModuleList(
            nn.Identity() if here == level else Resampled(other, c, level - here) for here, other in enumerate(channels)
        )
        self.fuse = AdaptiveFusion(c, len(channels))
        self.blocks = nn.Sequential(*(BasicBlock(c) for _ in range(_BLOCKS)))

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (B, channels[i], H / 2^i, W / 2^i) to (B, channels[level], H / 2^level, W / 2^level)."""
        brought = [resample(one) for resample, one in zip(self.resample, maps, strict=True)]
        out: torch.Tensor = self.blocks(self.fuse(brought))
        return out


class AFPN(nn.Module, metaclass=ParsedAs, stock=Detect):
    """From backbone maps to as many or fewer maps for the head; `Index` rows of the model YAML tell them apart.

    It is parsed like `Detect`, which too takes several maps: the parser adds `reg_max` and `end2end`, which have no
    meaning here, and the channels of the maps.

    Args:
        hidden: Channels inside, a level (the paper's: a quarter of the map's).
        out: Output channels, a level; the head's levels begin with the largest map.
        reg_max: Not used.
        end2end: Not used.
        ch: Channels of the input maps, each half as large as the one before.
    """

    def __init__(
        self, hidden: Sequence[int], out: Sequence[int], reg_max: int, end2end: bool, ch: Sequence[int]
    ) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(Conv(c, h, 1) for c, h in zip(ch, hidden, strict=True))
        # Two levels, then three, ...; of the last step only what the head looks at.
        wanted = [*range(2, len(hidden)), len(out)]
        self.steps = nn.ModuleList(
            nn.ModuleList(FusedLevel(hidden[:count], level) for level in range(made))
            for count, made in enumerate(wanted, start=2)
        )
        self.expand = nn.ModuleList(Conv(h, c, 1) for h, c in zip(hidden, out, strict=False))

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps (B, ch[i], H / 2^i, W / 2^i) to (B, out[i], H / 2^i, W / 2^i)."""
        maps = [reduce(one) for reduce, one in zip(self.reduce, maps, strict=True)]
        step: Any
        for count, step in enumerate(self.steps, start=2):
            maps = [*(level(maps[:count]) for level in step), *maps[count:]]
        return [expand(one) for expand, one in zip(self.expand, maps, strict=False)]
