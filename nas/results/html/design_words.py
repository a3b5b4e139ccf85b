"""A design in words, as a person would say it."""

from nas.architecture import LEVELS, Architecture, Stage

BLOCKS = {
    "c3k2": "C3k2",
    "ghost": "GhostNetV2",
    "ghostv3": "GhostNetV3",
    "mobilenetv3": "MobileNetV3",
    "mbconv": "MBConv",
    "fused_mbconv": "Fused-MBConv",
    "lcnet": "PP-LCNet",
    "vanilla": "VanillaNet",
}
"""What the blocks of stages are called."""

_NECKS = {"pan": "PAN", "slim": "slim PAN (GSConv)", "afpn": "AFPN"}
_HEADS = {"yolo11": "YOLO11", "mbconv": "MBConv"}


def design_words(design: Architecture) -> str:
    """Input size, stages, neck and head in one sentence.

    Args:
        design: The design.
    """
    this = design.canonical()
    stages = "; ".join(f"{level} {stage_words(stage)}" for level, stage in zip(LEVELS, this.stages, strict=True))
    begins = f"{this.imgsz} px, {this.activation}; stem {this.stem_width}"
    return f"{begins}; {stages}; {neck_words(this)}; {head_words(this)}"


def stage_words(stage: Stage) -> str:
    """A stage's repeats, block, channels and choices.

    Args:
        stage: A stage of a canonical design.
    """
    choices = [
        *([f"expansion {stage.expansion:g}"] if stage.has_effect("expansion") and stage.expansion != 1 else []),
        *([f"ratio {stage.ratio}"] if stage.has_effect("ratio") and stage.ratio != 2 else []),
        *([f"kernel {stage.kernel}"] if stage.has_effect("kernel") else []),
        *([f"DFC {stage.dfc_kernel}, pooled {stage.dfc_pool}"] if stage.dfc_kernel else []),
        *(["SE"] if stage.se else []),
    ]
    more = f" ({', '.join(choices)})" if choices else ""
    return f"{stage.depth} × {BLOCKS[stage.block]} with {stage.width} channels{more}"


def neck_words(design: Architecture) -> str:
    """The neck.

    Args:
        design: A canonical design.
    """
    top = [name for name, there in (("SPPF", design.sppf), ("C2PSA", design.c2psa)) if there]
    before = f"{' and '.join(top)}, then " if top else ""
    return f"{before}{_NECKS[design.neck]} neck with {design.neck_width} channels at P3"


def head_words(design: Architecture) -> str:
    """The head.

    Args:
        design: A canonical design.
    """
    return (
        f"{_HEADS[design.head]} head at {design.levels}, box {design.box_width}, class {design.cls_width}, "
        f"{design.reg_max} bin{'s' if design.reg_max > 1 else ''}{', without NMS' if design.end2end else ''}"
    )
