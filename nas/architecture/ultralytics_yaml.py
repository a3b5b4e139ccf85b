"""An `Architecture` as an Ultralytics model YAML: a pure function, the same bytes for the same design.

Channels are concrete and there is no `scales` table, so nothing depends on a scale letter: with one,
Ultralytics would switch every C3k2 to `c3k=True` at m, l and x.
"""

import math

from nas.architecture.architecture import LEVELS, Architecture, Stage
from nas.architecture.head_rows import Row, head_rows, multiple_of_8, row

_ACTIVATIONS = {
    "silu": "torch.nn.SiLU()",
    "relu": "torch.nn.ReLU()",
    "hardswish": "torch.nn.Hardswish()",
}
_SE_RATIO = 0.25


def _block(stage: Stage, c_in: int, stride: int, width: int, repeats: int = 1) -> str:
    """A stage's own block: with stride 2 its down-sampler, with stride 1 what follows, where `c_in` is the width."""
    se = _SE_RATIO if stage.se else 0.0
    hidden = multiple_of_8(stage.expansion * c_in)
    if stage.block in ("ghost", "ghostv3"):
        # Down-sampling ghost bottlenecks have expansion 1 of what comes in, and no squeeze-and-excitation.
        inside, se = (c_in, 0.0) if stride == 2 else (hidden, se)
        ratio = f", {stage.ratio}" if stage.ratio != 2 else ""
        module = "GhostBottleneckV3" if stage.block == "ghostv3" else "GhostBottleneckV2"
        args = f"{width}, {inside}, {stride}, 3, {stage.dfc_kernel}, {stage.dfc_pool}, {se}{ratio}"
    else:
        module, args = {
            "mobilenetv3": ("MobileNetV3Block", f"{width}, {hidden}, {stride}, {stage.kernel}, {se}"),
            "mbconv": ("MBConv", f"{width}, {hidden}, {stride}, {stage.kernel}, {se}"),
            "fused_mbconv": ("FusedMBConv", f"{width}, {hidden}, {stride}, {stage.kernel}"),
            "lcnet": ("LCNetBlock", f"{width}, {stride}, {stage.kernel}, {se}"),
            "vanilla": ("VanillaBlock", f"{width}, {stride}, {stage.kernel}"),
        }[stage.block]
    return row(module, args, repeats=repeats)


def _downsampler(stage: Stage, c_in: int, width: int) -> str:
    if stage.downsample == "conv":
        return row("Conv", f"{width}, 3, 2")
    if stage.downsample == "block" or stage.block in ("ghost", "ghostv3"):
        return _block(stage, c_in, 2, width)
    return _block(Stage("ghost", width, 1), c_in, 2, width)


def _stage_rows(stage: Stage, level: int, c_in: int, c3k_all: bool) -> list[Row]:
    """The rows of one backbone stage; `level` 0 is P2."""
    name = LEVELS[level]
    width = stage.width
    if stage.block == "c3k2":
        # YOLO11's recipe: at P2 and P3 the down-sampler has half the stage's width, and C3k2 is narrow inside (0.25).
        halved, c3k = level < 2, level >= 2 or c3k_all
        down = _downsampler(stage, c_in, math.ceil(width / 16) * 8 if halved else width)
        body = row("C3k2", f"{width}, {c3k}, 0.25" if halved else f"{width}, {c3k}", repeats=stage.depth)
    else:
        down = _downsampler(stage, c_in, width)
        body = _block(stage, width, 1, width, repeats=stage.depth)
    return [(down, f"{name}/{2 ** (level + 2)}"), (body, name)]


def _backbone(arch: Architecture) -> tuple[list[Row], list[int]]:
    """The backbone's rows, and the index of the last row at each level."""
    rows: list[Row] = [(row("Conv", f"{arch.stem_width}, 3, 2"), "P1/2")]
    ends, channels = [], arch.stem_width
    for level, stage in enumerate(arch.stages):
        rows += _stage_rows(stage, level, channels, arch.c3k == "all")
        ends.append(len(rows) - 1)
        channels = stage.width
    if arch.sppf:
        rows.append((row("SPPF", f"{channels}, 5"), ""))
    if arch.c2psa:
        rows.append((row("C2PSA", f"{channels}"), ""))
    ends[-1] = len(rows) - 1
    return rows, ends


def _lines(rows: list[Row], first: int) -> list[str]:
    return [f"  - {text} # {index}{f' {note}' if note else ''}" for index, (text, note) in enumerate(rows, start=first)]


def to_yaml(arch: Architecture, nc: int = 80) -> str:
    """The architecture as the text of an Ultralytics model YAML.

    Args:
        arch: The design; what it does not depend on is normalised first.
        nc: Number of classes.

    Returns:
        The YAML text. `nas.model.builder.build` makes a model of it; so does Ultralytics once the blocks are
        registered.
    """
    arch = arch.canonical()
    backbone, ends = _backbone(arch)
    head = head_rows(arch, nc, ends)
    return "\n".join(
        [
            f"# ghostnas {arch.digest}: a detector for Ultralytics, channels concrete (no scales)",
            f"# key: {arch.key}",
            f"# train: ghostnas train THIS_FILE data=DATA.yaml imgsz={arch.imgsz}",
            "#        or, with plain Ultralytics: ghostnas export THIS_FILE --to DIR",
            "# Give it no name such as yolo11m.yaml: Ultralytics would read a scale letter from it.",
            "",
            f"nc: {nc} # classes",
            f"imgsz: {arch.imgsz} # the input size it was designed for (pass it to Ultralytics as imgsz=)",
            f"activation: {_ACTIVATIONS[arch.activation]}",
            f"reg_max: {arch.reg_max} # bins of the distribution focal loss",
            *(["end2end: True # one-to-one branches: no NMS"] if arch.end2end else []),
            "",
            "backbone: # [from, repeats, module, arguments]",
            *_lines(backbone, 0),
            "",
            "head:",
            *_lines(head, len(backbone)),
            "",
        ]
    )
