"""An `Architecture` as an Ultralytics model YAML: a pure function, the same bytes for the same design.

Channels are concrete and there is no `scales` table, so nothing depends on a scale letter: with one,
Ultralytics would switch every C3k2 to `c3k=True` at m, l and x. The neck always has C3k2 rows, which keep
`Detect.legacy` False (without any, Ultralytics silently builds the class branch of YOLOv8, with millions of
parameters more).
"""

import math

from nas.architecture import LEVELS, Architecture, Stage

_ACTIVATIONS = {
    "silu": "torch.nn.SiLU()",
    "relu": "torch.nn.ReLU()",
    "hardswish": "torch.nn.Hardswish()",
}
_NECK_CAP = 512
_SE_RATIO = 0.25
Row = tuple[str, str]


def _multiple_of_8(value: float) -> int:
    return max(8, math.floor(value / 8 + 0.5) * 8)


def _row(module: str, args: str, source: str = "-1", repeats: int = 1) -> str:
    return f"[{source}, {repeats}, {module}, [{args}]]"


def _ghost(width: int, hidden: int, stride: int, stage: Stage, se: bool, repeats: int = 1) -> str:
    dfc = f"{stage.dfc_kernel}, {stage.dfc_pool}"
    return _row(
        "GhostBottleneckV2",
        f"{width}, {hidden}, {stride}, 3, {dfc}, {_SE_RATIO if se else 0.0}",
        repeats=repeats,
    )


def _stage_rows(stage: Stage, level: int, c_in: int, c3k_all: bool) -> tuple[list[Row], int]:
    """The rows of one backbone stage and its output channels; `level` 0 is P2."""
    name = LEVELS[level]
    plain = stage.block == "c3k2"
    # YOLO11's recipe: at P2 and P3 the down-sampler has half the stage's width, and C3k2 is narrow inside
    # (0.25).
    halved = plain and level < 2
    out = math.ceil(stage.width / 16) * 8 if halved else stage.width
    down = (
        _row("Conv", f"{out}, 3, 2")
        if stage.downsample == "conv"
        else _ghost(out, c_in, 2, stage, se=False)  # expansion 1 of what comes in
    )
    if plain:
        c3k = level >= 2 or c3k_all
        body = _row("C3k2", f"{stage.width}, {c3k}, 0.25" if halved else f"{stage.width}, {c3k}", repeats=stage.depth)
    else:
        hidden = _multiple_of_8(stage.expansion * stage.width)
        body = _ghost(stage.width, hidden, 1, stage, stage.se, repeats=stage.depth)
    return [(down, f"{name}/{2 ** (level + 2)}"), (body, name)], stage.width


def _backbone(arch: Architecture) -> tuple[list[Row], list[int]]:
    """The backbone's rows and the index of the last row of each stage."""
    rows: list[Row] = [(_row("Conv", f"{arch.stem_width}, 3, 2"), "P1/2")]
    ends, channels = [], arch.stem_width
    for level, stage in enumerate(arch.stages):
        added, channels = _stage_rows(stage, level, channels, arch.c3k == "all")
        rows += added
        ends.append(len(rows) - 1)
    rows += [(_row("SPPF", f"{channels}, 5"), ""), (_row("C2PSA", f"{channels}"), "")]
    return rows, ends


def _detect(arch: Architecture, nc: int) -> tuple[str, str]:
    """The head's module and arguments: the stock one where it is YOLO11's or has the same widths."""
    stock_box = max(16, arch.neck_width // 4, 4 * arch.reg_max)
    # With more classes than channels YOLO11 widens its class branch; any other head means what it says.
    rule_of_yolo11 = arch.reg_max == 16 or min(nc, 100) <= arch.neck_width
    if arch.box_width == stock_box and arch.cls_width == arch.neck_width and rule_of_yolo11:
        return "Detect", "nc"
    return "SlimDetect", f"nc, {arch.box_width}, {arch.cls_width}"


def _head(arch: Architecture, nc: int, p3: int, p4: int, p5: int) -> list[Row]:
    """YOLO11's neck and detection head; p3 and p4 are backbone rows, p5 is the backbone's last row."""
    n3, n4, n5 = (min(arch.neck_width * factor, _NECK_CAP) for factor in (1, 2, 4))
    c3k = arch.c3k == "all"
    first = p5 + 1
    up = _row("nn.Upsample", 'None, 2, "nearest"')

    def fuse(source: int, width: int, deep: bool) -> list[str]:
        return [_row("Concat", "1", f"[-1, {source}]"), _row("C3k2", f"{width}, {deep}")]

    texts = [
        *[up, *fuse(p4, n4, c3k)],  # first + 2
        *[up, *fuse(p3, n3, c3k)],  # first + 5
        *[_row("Conv", f"{n3}, 3, 2"), *fuse(first + 2, n4, c3k)],  # first + 8
        *[_row("Conv", f"{n4}, 3, 2"), *fuse(p5, n5, True)],  # first + 11
    ]
    notes = {2: "P4 top-down", 5: "P3", 8: "P4", 11: "P5"}
    module, args = _detect(arch, nc)
    maps = ", ".join(str(first + index) for index in (5, 8, 11))
    rows = [(text, notes.get(index, "")) for index, text in enumerate(texts)]
    return [*rows, (_row(module, args, f"[{maps}]"), "")]


def _lines(rows: list[Row], first: int) -> list[str]:
    return [f"  - {text} # {index}{f' {note}' if note else ''}" for index, (text, note) in enumerate(rows, start=first)]


def to_yaml(arch: Architecture, nc: int = 80) -> str:
    """The architecture as the text of an Ultralytics model YAML.

    Args:
        arch: The design; what it does not depend on is normalised first.
        nc: Number of classes.

    Returns:
        The YAML text. `nas.build.build` makes a model of it; so does Ultralytics once the blocks are
        registered.
    """
    arch = arch.canonical()
    backbone, (_, p3, p4, _) = _backbone(arch)
    head = _head(arch, nc, p3, p4, len(backbone) - 1)
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
            "",
            "backbone: # [from, repeats, module, arguments]",
            *_lines(backbone, 0),
            "",
            "head:",
            *_lines(head, len(backbone)),
            "",
        ]
    )
