"""The whole GhostNetV2 classifier assembled from our blocks, and timm's weights copied into it."""

import re

import torch
from torch import nn
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.tasks import BaseModel

from nas.blocks.bottleneck import GhostBottleneckV2

# Kernel, hidden channels, output channels, squeeze-and-excitation, stride; DFC from the third row on.
ROWS = (
    (3, 16, 16, 0, 1),
    (3, 48, 24, 0, 2),
    (3, 72, 24, 0, 1),
    (5, 72, 40, 0.25, 2),
    (5, 120, 40, 0.25, 1),
    (3, 240, 80, 0, 2),
    (3, 200, 80, 0, 1),
    (3, 184, 80, 0, 1),
    (3, 184, 80, 0, 1),
    (3, 480, 112, 0.25, 1),
    (3, 672, 112, 0.25, 1),
    (5, 672, 160, 0.25, 2),
    (5, 960, 160, 0, 1),
    (5, 960, 160, 0.25, 1),
    (5, 960, 160, 0, 1),
    (5, 960, 160, 0.25, 1),
)


def _multiple_of_4(value: float) -> int:
    rounded = max(4, int(value + 2) // 4 * 4)
    return rounded + 4 if rounded < 0.9 * value else rounded


class GhostNetV2(BaseModel):
    """GhostNetV2 for ImageNet; a `BaseModel`, so that Ultralytics' own `fuse()` runs on it."""

    def __init__(self, width: float, bottleneck: type[nn.Module] = GhostBottleneckV2) -> None:
        super().__init__()
        relu = nn.ReLU()
        channels = _multiple_of_4(16 * width)
        layers: list[nn.Module] = [Conv(3, channels, 3, 2, act=relu)]
        for index, (k, hidden, out, se, s) in enumerate(ROWS):
            c2, dfc = _multiple_of_4(out * width), 5 if index > 1 else 0
            hidden = _multiple_of_4(hidden * width)
            layers.append(bottleneck(channels, c2, hidden, s, k, dfc, 2, se, act=relu))
            channels = c2
        last = _multiple_of_4(960 * width)
        layers += [
            Conv(channels, last, 1, act=relu),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(last, 1280, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1280, 1000),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def _our_name(theirs: str, row_of: dict[str, int]) -> str:
    """The name in our network of one of timm's tensors."""
    last_conv = len(ROWS) + 1
    name = re.sub(r"^conv_stem\.", "model.0.conv.", theirs)
    name = re.sub(r"^bn1\.", "model.0.bn.", name)
    name = re.sub(r"^conv_head\.", f"model.{last_conv + 2}.", name)
    name = re.sub(r"^classifier\.", f"model.{last_conv + 5}.", name)
    name = re.sub(r"^blocks\.9\.0\.(conv|bn)1?\.", rf"model.{last_conv}.\1.", name)
    name = re.sub(r"^(blocks\.\d+\.\d+)\.", lambda m: f"model.{row_of[m[1]] + 1}.", name)
    name = name.replace("conv_dw.", "depthwise.conv.").replace("bn_dw.", "depthwise.bn.")
    part = {0: "conv", 1: "bn"}
    name = re.sub(r"(primary_conv|cheap_operation)\.([01])\.", lambda m: f"{m[1]}.{part[int(m[2])]}.", name)
    steps = ("reduce", "horizontal", "vertical")
    name = re.sub(r"short_conv\.(\d)\.", lambda m: f"dfc.{steps[int(m[1]) // 2]}.{part[int(m[1]) % 2]}.", name)
    return re.sub(r"shortcut\.(\d)\.", lambda m: f"shortcut.{int(m[1]) // 2}.{part[int(m[1]) % 2]}.", name)


def copy_weights(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy every tensor of timm's model into ours; each must have its place."""
    state = theirs.state_dict()
    rows = dict.fromkeys(m[1] for key in state if (m := re.match(r"(blocks\.[0-8]\.\d+)\.", key)))
    row_of = {name: index for index, name in enumerate(rows)}
    ours.load_state_dict({_our_name(key, row_of): value for key, value in state.items()}, strict=True)


def randomise_batch_norm(model: nn.Module) -> None:
    """Statistics and weights as after a training, instead of 0 and 1."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)


def macs(model: nn.Module, imgsz: int) -> int:
    """Multiply-adds of the convolutions and linear layers for one picture."""
    total = 0

    def add(module: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += out.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, imgsz, imgsz))
    for hook in hooks:
        hook.remove()
    return total
