"""YOLO11's detection head with hidden widths of its own choosing.

Ultralytics' `Detect` derives both widths from its first input map and never goes below 64 channels in the box
branch at the usual 16 bins, so that a narrow network spends most of its time in the head.
"""

import copy

from torch import nn
from ultralytics.nn.modules.conv import Conv, DWConv
from ultralytics.nn.modules.head import Detect

from nas.blocks.parsed import ParsedAs


class SlimDetect(Detect, metaclass=ParsedAs, stock=Detect):  # type: ignore[misc]
    """`Detect` (YOLO11's layout, depthwise-separable class branch) with `box_width` and `cls_width` as given.

    Args:
        nc: Classes.
        box_width: Hidden channels of the box branch.
        cls_width: Hidden channels of the class branch.
        reg_max: Bins of the distribution focal loss.
        end2end: Whether to add the one-to-one branches of an NMS-free head.
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
        self.cv2 = nn.ModuleList(
            nn.Sequential(
                Conv(c, box_width, 3),
                Conv(box_width, box_width, 3),
                nn.Conv2d(box_width, 4 * reg_max, 1),
            )
            for c in ch
        )
        self.cv3 = nn.ModuleList(
            nn.Sequential(
                nn.Sequential(DWConv(c, c, 3), Conv(c, cls_width, 1)),
                nn.Sequential(DWConv(cls_width, cls_width, 3), Conv(cls_width, cls_width, 1)),
                nn.Conv2d(cls_width, nc, 1),
            )
            for c in ch
        )
        if end2end:
            self.one2one_cv2 = copy.deepcopy(self.cv2)
            self.one2one_cv3 = copy.deepcopy(self.cv3)
