"""A detector design as a frozen value, with one canonical key.

Two architectures that build the same network have the same `key`: a choice that has no effect (the pool of a DFC
attention that is switched off, the expansion of a plain C3k2 stage) is set to a fixed value by `canonical()`.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

Block = Literal["ghost", "c3k2"]
Downsample = Literal["conv", "ghost"]
Activation = Literal["silu", "relu", "hardswish"]
C3k = Literal["deep", "all"]

LEVELS = ("P2", "P3", "P4", "P5")


@dataclass(frozen=True, slots=True)
class Stage:
    """One backbone stage: a stride-2 down-sampler, then `depth` blocks.

    Attributes:
        block: `ghost` (GhostNetV2 bottlenecks) or `c3k2` (YOLO11's plain stage, following YOLO11's recipe a level).
        width: Output channels.
        depth: Repeats (of ghost bottlenecks, or inside C3k2).
        expansion: Hidden channels of a ghost bottleneck as a multiple of its input channels.
        dfc_kernel: Kernel of the DFC attention's horizontal and vertical convolutions, odd; 0 switches DFC off.
        dfc_pool: Down-sampling factor of the DFC attention.
        se: Whether ghost bottlenecks carry squeeze-and-excitation (ratio 0.25).
        downsample: `conv` (3x3, stride 2) or `ghost` (a stride-2 ghost bottleneck with the stage's DFC attention).
    """

    block: Block
    width: int
    depth: int
    expansion: float = 1.0
    dfc_kernel: int = 0
    dfc_pool: int = 1
    se: bool = False
    downsample: Downsample = "conv"

    def canonical(self) -> Self:
        """The same network with every choice that has no effect at its fixed value."""
        if self.block == "c3k2":
            return replace(self, expansion=1.0, dfc_kernel=0, dfc_pool=1, se=False)
        return replace(self, dfc_pool=1) if self.dfc_kernel == 0 else self

    def key(self) -> str:
        """A short text that names the stage, for example `ghost128x2-e2-k5p2-se-dghost`."""
        base = f"{self.block}{self.width}x{self.depth}"
        ghost = f"-e{self.expansion:g}-k{self.dfc_kernel}p{self.dfc_pool}{'-se' if self.se else ''}"
        return f"{base}{ghost if self.block == 'ghost' else ''}-d{self.downsample}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A YOLO11-style detector: stem, backbone stages P2..P5, SPPF and C2PSA, PAN neck, Detect head on P3..P5.

    Attributes:
        imgsz: Square input size in pixels, a multiple of 32.
        activation: Activation of every activated convolution.
        stem_width: Channels of the stride-2 stem.
        stages: The four stages P2, P3, P4, P5.
        neck_width: Channels of the neck at P3; P4 has twice, P5 four times as many, capped at 512 (as YOLO11 up to l).
        box_width: Hidden channels of Detect's box branch (YOLO11: max(16, neck_width / 4, 4 * reg_max)).
        cls_width: Hidden channels of Detect's class branch (YOLO11: max(neck_width, min(classes, 100))).
        reg_max: Bins of the distribution focal loss (YOLO11: 16; 1 regresses the distances directly).
        c3k: Which C3k2 modules carry C3k inside: `deep` (P4 and P5 of the backbone, P5 of the neck: YOLO11 n and s)
            or `all` (YOLO11 m, l and x).
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

    def canonical(self) -> Self:
        """The same network with every choice that has no effect at its fixed value."""
        p2, p3, p4, p5 = (stage.canonical() for stage in self.stages)
        return replace(self, stages=(p2, p3, p4, p5))

    @property
    def key(self) -> str:
        """Canonical text: equal for two architectures if and only if they describe the same network."""
        this = self.canonical()
        stages = " ".join(f"{level}={stage.key()}" for level, stage in zip(LEVELS, this.stages, strict=True))
        return (
            f"i{this.imgsz} {this.activation} stem{this.stem_width} {stages} neck{this.neck_width} "
            f"box{this.box_width} cls{this.cls_width} reg{this.reg_max} c3k-{this.c3k}"
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
