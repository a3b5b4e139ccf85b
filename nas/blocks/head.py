"""YOLO11's detection head with hidden widths of its own choosing, plain or of MBConv blocks.

Ultralytics' `Detect` derives both widths from its first input map and never goes below 64 channels in the box
branch at the usual 16 bins, so that a narrow network spends most of its time in the head.
"""

import copy

from torch import nn
from ultralytics.nn.modules.conv import Conv, DWConv
from ultralytics.nn.modules.head import Detect

from nas.blocks.efficientnet import MBConv
from nas.blocks.parsed import ParsedAs

_EXPANSION = 2


class SlimDetect(Detect, metaclass=ParsedAs, stock=Detect):  # type: ignore[misc]
    """`Detect` (YOLO11's layout, depthwise-separable class branch) with `box_width` and `cls_width` as given.

    Args:
        nc: Classes.
        box_width: Hidden channels of the box branch.
        cls_width: Hidden channels of the class branch.
        reg_max: Bins of the distribution focal loss.
        end2end: Whether to add one-to-one branches, and to detect with them: no NMS is needed.
        ch: Channels of the input maps.
    """

    def __init__(
        self,
        nc: int,
        box_width: int,
        cls_width: int,
        reg_max: int = 16,
        end2end: bool = False,
        ch: list[int] | tuple[int, ...] = (),
    ) -> None:
        super().__init__(nc, reg_max, end2end, ch)
        self.cv2 = nn.ModuleList(self._boxes(c, box_width) for c in ch)
        self.cv3 = nn.ModuleList(self._classes(c, cls_width) for c in ch)
        if end2end:
            self.one2one_cv2 = copy.deepcopy(self.cv2)
            self.one2one_cv3 = copy.deepcopy(self.cv3)
        self.end2end = end2end

    def _boxes(self, c: int, width: int) -> nn.Sequential:
        """The box branch of one map."""
        return nn.Sequential(Conv(c, width, 3), Conv(width, width, 3), nn.Conv2d(width, 4 * self.reg_max, 1))

    def _classes(self, c: int, width: int) -> nn.Sequential:
        """The class branch of one map."""
        return nn.Sequential(
            nn.Sequential(DWConv(c, c, 3), Conv(c, width, 1)),
            nn.Sequential(DWConv(width, width, 3), Conv(width, width, 1)),
            nn.Conv2d(width, self.nc, 1),
        )


class MBConvDetect(SlimDetect):
    """The same with two MBConv a branch (kernel 3, expansion 2, squeeze-and-excitation 0.25)."""

    def _boxes(self, c: int, width: int) -> nn.Sequential:
        return _inverted(c, width, 4 * self.reg_max)

    def _classes(self, c: int, width: int) -> nn.Sequential:
        return _inverted(c, width, self.nc)


def _inverted(c: int, width: int, out: int) -> nn.Sequential:
    hidden = _EXPANSION * width
    return nn.Sequential(MBConv(c, width, hidden), MBConv(width, width, hidden), nn.Conv2d(width, out, 1))
