"""A detector design as a frozen value, with one canonical key.

Two architectures that build the same network have the same `key`: a choice that has no effect (the pool of a DFC
attention that is switched off, the expansion of a plain C3k2 stage) is set to a fixed value by `canonical()`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

Block = Literal["c3k2", "ghost", "ghostv3", "mobilenetv3", "mbconv", "fused_mbconv", "lcnet", "vanilla"]
Downsample = Literal["conv", "ghost", "block"]
Activation = Literal["silu", "relu", "hardswish"]
C3k = Literal["deep", "all"]
Neck = Literal["pan", "slim", "afpn"]
Head = Literal["yolo11", "mbconv"]
Levels = Literal["P3-P5", "P3-P4", "P2-P4"]

LEVELS = ("P2", "P3", "P4", "P5")

_GHOST = ("expansion", "ratio", "dfc_kernel", "dfc_pool", "se")
CHOICES_OF: Mapping[Block, tuple[str, ...]] = {
    "c3k2": (),
    "ghost": _GHOST,
    "ghostv3": _GHOST,
    "mobilenetv3": ("expansion", "kernel", "se"),
    "mbconv": ("expansion", "kernel", "se"),
    "fused_mbconv": ("expansion", "kernel"),
    "lcnet": ("kernel", "se"),
    "vanilla": ("kernel",),
}
"""What there is to choose in a stage of each block, besides width, depth and down-sampler."""
BLOCK_CHOICES = ("expansion", "ratio", "dfc_kernel", "dfc_pool", "kernel", "se")
"""Every choice that has an effect with some blocks only."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One backbone stage: a stride-2 down-sampler, then `depth` blocks.

    Attributes:
        block: `c3k2` (YOLO11's plain stage, following YOLO11's recipe a level), `ghost` (GhostNetV2 bottlenecks;
            without DFC attention GhostNet's), `ghostv3` (the same with branches at training), `mobilenetv3`, `mbconv`
            and `fused_mbconv` (EfficientNetV2's), `lcnet` (PP-LCNet's) or `vanilla` (VanillaNet's).
        width: Output channels.
        depth: Repeats (of the block, or inside C3k2).
        expansion: Hidden channels of a block as a multiple of its width.
        dfc_kernel: Kernel of the DFC attention's horizontal and vertical convolutions, odd; 0 switches DFC off.
        dfc_pool: Down-sampling factor of the DFC attention.
        se: Whether the blocks carry squeeze-and-excitation (ratio 0.25).
        downsample: `conv` (3x3, stride 2), `ghost` (a stride-2 ghost bottleneck, in a ghost stage with the stage's DFC
            attention and ratio) or `block` (the stage's own block with stride 2).
        ratio: Output channels of a ghost module per primary channel.
        kernel: Kernel of the depthwise convolution (`fused_mbconv`: of the full one; `vanilla`: of the activation).
    """

    block: Block
    width: int
    depth: int
    expansion: float = 1.0
    dfc_kernel: int = 0
    dfc_pool: int = 1
    se: bool = False
    downsample: Downsample = "conv"
    ratio: int = 2
    kernel: int = 3

    def canonical(self) -> Self:
        """The same network with every choice that has no effect at its fixed value."""
        inert = {name: _DEFAULTS[name] for name in BLOCK_CHOICES if not self.has_effect(name)}
        block = same_block(self.block, self.se)
        return replace(self, **inert, block=block, downsample=downsampler(self.block, self.downsample))

    def has_effect(self, name: str) -> bool:
        """Whether one of `BLOCK_CHOICES` changes this stage's network."""
        if name == "dfc_pool" and self.dfc_kernel == 0:
            return False
        return name in CHOICES_OF[self.block]

    def key(self) -> str:
        """A short text that names the stage, for example `ghost128x2-e2-k5p2-se-dghost`."""
        own = CHOICES_OF[self.block]
        parts = [f"{self.block}{self.width}x{self.depth}"]
        if "expansion" in own:
            parts.append(f"e{self.expansion:g}")
        if "ratio" in own and self.ratio != _DEFAULTS["ratio"]:
            parts.append(f"r{self.ratio}")
        if "dfc_kernel" in own:
            parts.append(f"k{self.dfc_kernel}p{self.dfc_pool}")
        if "kernel" in own:
            parts.append(f"k{self.kernel}")
        if self.se:
            parts.append("se")
        return "-".join([*parts, f"d{self.downsample}"])


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Stage)}


def same_block(block: Block, se: bool) -> Block:
    """What a block is called where two names would build the same: without SE EfficientNetV2's is MobileNetV3's."""
    return "mobilenetv3" if block == "mbconv" and not se else block


def downsampler(block: Block, wanted: Downsample) -> Downsample:
    """What a stage's down-sampler is called where two names would build the same.

    A plain stage's own one is the convolution, a ghost stage's own one is the ghost bottleneck.
    """
    if wanted != "block":
        return wanted
    return "conv" if block == "c3k2" else "ghost" if block in ("ghost", "ghostv3") else "block"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A YOLO11-style detector: stem, backbone stages P2..P5, SPPF and C2PSA, neck, detection head.

    Attributes:
        imgsz: Square input size in pixels, a multiple of 32.
        activation: Activation of every activated convolution.
        stem_width: Channels of the stride-2 stem.
        stages: The four stages P2, P3, P4, P5.
        neck_width: Channels of the neck at P3; P2 has half, P4 twice, P5 four times as many, capped at 512 (as YOLO11
            up to l).
        box_width: Hidden channels of Detect's box branch (YOLO11: max(16, neck_width / 4, 4 * reg_max)).
        cls_width: Hidden channels of Detect's class branch (YOLO11: max(neck_width, min(classes, 100))).
        reg_max: Bins of the distribution focal loss (YOLO11: 16; 1 regresses the distances directly).
        c3k: Which C3k2 modules carry C3k inside: `deep` (P4 and P5 of the backbone, P5 of the neck: YOLO11 n and s)
            or `all` (YOLO11 m, l and x).
        neck: `pan` (YOLO11's), `slim` (the same of GSConv and VoVGSCSP) or `afpn`.
        head: `yolo11`, or `mbconv` (MBConv blocks in both branches).
        end2end: Whether the head also has one-to-one branches, which need no NMS (as YOLO26's).
        levels: The levels of the head.
        sppf: Whether SPPF follows the backbone.
        c2psa: Whether C2PSA follows it.
    """

    imgsz: int
    activation: Activation
    stem_width: int
    stages: tuple[Stage, Stage, Stage, Stage]
    neck_width: int
    box_width: int
    cls_width: int
    reg_max: int
    c3k: C3k = "deep"
    neck: Neck = "pan"
    head: Head = "yolo11"
    end2end: bool = False
    levels: Levels = "P3-P5"
    sppf: bool = True
    c2psa: bool = True

    def canonical(self) -> Self:
        """The same network with every choice that has no effect at its fixed value."""
        p2, p3, p4, p5 = (stage.canonical() for stage in self.stages)
        return replace(self, stages=(p2, p3, p4, p5), c3k=self.c3k if self.c3k_has_effect else "deep")

    @property
    def c3k_has_effect(self) -> bool:
        """Whether there is a C3k2 that YOLO11 n and YOLO11 m would build differently."""
        return self.neck == "pan" or any(stage.block == "c3k2" for stage in self.stages[:2])

    @property
    def key(self) -> str:
        """Canonical text: equal for two architectures if and only if they describe the same network."""
        this = self.canonical()
        stages = " ".join(f"{level}={stage.key()}" for level, stage in zip(LEVELS, this.stages, strict=True))
        unlike_yolo11 = {
            f"neck-{this.neck}": this.neck != "pan",
            f"head-{this.head}": this.head != "yolo11",
            "end2end": this.end2end,
            f"levels-{this.levels}": this.levels != "P3-P5",
            "no-sppf": not this.sppf,
            "no-c2psa": not this.c2psa,
        }
        return " ".join(
            [
                f"i{this.imgsz} {this.activation} stem{this.stem_width} {stages} neck{this.neck_width}",
                f"box{this.box_width} cls{this.cls_width} reg{this.reg_max} c3k-{this.c3k}",
                *(text for text, holds in unlike_yolo11.items() if holds),
            ]
        )

    @property
    def digest(self) -> str:
        """The first 10 hexadecimal digits of the key's SHA-256."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:10]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        data = asdict(self)
        data["stages"] = list(data["stages"])
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        p2, p3, p4, p5 = (Stage(**stage) for stage in data["stages"])
        return cls(**{**data, "stages": (p2, p3, p4, p5)})
