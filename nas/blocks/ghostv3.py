"""GhostNetV3's bottleneck: GhostNetV2's, with branches at training that merge into the very same graph.

Liu et al. 2024, arXiv 2404.11202, section 3.1.
"""

from nas.blocks.bottleneck import GhostBottleneckV2
from nas.blocks.ghost import GhostModule, GhostModuleV2
from nas.blocks.reparam import RepBranches


class GhostModuleV3(GhostModule):
    """A ghost module whose primary convolution and cheap operation are branches at training."""

    convolution = RepBranches


class AttentiveGhostModuleV3(GhostModuleV2):
    """The same with DFC attention, which has no branches."""

    convolution = RepBranches


class GhostBottleneckV3(GhostBottleneckV2):
    """`GhostBottleneckV2` whose primary convolutions, cheap operations and strided depthwise are branches at training.

    The arguments are those of `GhostBottleneckV2`; once fused, so is the graph.
    """

    plain = GhostModuleV3
    attentive = AttentiveGhostModuleV3
    convolution = RepBranches
