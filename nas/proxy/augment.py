"""Cheap augmentation of a whole batch: mirror, scale, shift, brightness and colour.

Everything random comes from one generator on the CPU, so that a training can be repeated on any device.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from nas.data import GREY, Pixels

_ZOOM = 1.3  # sizes change by a factor in [1 / _ZOOM, _ZOOM]
_SHIFT = 0.1  # of the side, each way
_BRIGHTNESS = 0.3
_TINT = 0.15
_VISIBLE = 0.25  # objects of which less is left are dropped
_SMALLEST = 2.0  # pixels
_MOST_OF_A_GPU = 0.1  # of its free memory


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pictures and objects as Ultralytics' loss takes them.

    Attributes:
        images: (B, 3, S, S) float32 in [0, 1].
        index: (objects,) float32, which picture an object is in.
        kinds: (objects,) float32 classes.
        boxes: (objects, 4) float32: centre x, centre y, width, height, shares of the side.
    """

    images: Tensor
    index: Tensor
    kinds: Tensor
    boxes: Tensor

    def targets(self) -> dict[str, Tensor]:
        """The dictionary that `v8DetectionLoss` reads."""
        return {"batch_idx": self.index, "cls": self.kinds, "bboxes": self.boxes}


def plain_images(source: Pixels, chosen: Tensor, device: torch.device) -> Tensor:
    """Pictures as they are, (B, 3, S, S) float32 in [0, 1].

    Args:
        source: All pictures.
        chosen: (B,) indices.
        device: Where to.
    """
    return source.images[chosen.to(source.images.device)].to(device).float() / 255


def kept_on(source: Pixels, device: torch.device) -> Pixels:
    """The same pictures, on a GPU where they take a small share of its free memory: every step takes some of them.

    Args:
        source: All pictures.
        device: Where they are used.
    """
    if device.type != "cuda" or source.images.nbytes > _MOST_OF_A_GPU * torch.cuda.mem_get_info(device)[0]:
        return source
    return replace(source, images=source.images.to(device))


def augmented(
    source: Pixels, chosen: Tensor, random: torch.Generator, device: torch.device, share: float = 1.0
) -> Batch:
    """An augmented batch: half of it mirrored, and a share of it changed in size, place and colour.

    Args:
        source: All pictures.
        chosen: (B,) indices.
        random: Source of chance, on the CPU.
        device: Where to.
        share: How probably a picture is changed. The others keep every pixel, because resampling blurs the
            fine detail that the validation pictures show.
    """
    count, side = len(chosen), source.images.shape[-1]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random) * 2 - 1  # in [-1, 1)

    # As many numbers are drawn whatever the share, so that the order of the pictures stays.
    changed, mirrored = (uniform(count) + 1) / 2 < share, uniform(count) < 0
    # An output position p, in [-1, 1], shows the input position zoom * p + shift: (B, 2) for x and y.
    zoom = (_ZOOM ** (uniform(count) * changed))[:, None].repeat(1, 2)
    zoom[:, 0] *= 1 - 2 * mirrored.float()
    shift = uniform(count, 2) * (2 * _SHIFT) * changed[:, None]
    gain = (1 + uniform(count, 1) * _BRIGHTNESS) * (1 + uniform(count, 3) * _TINT)  # (B, 3), of changed pictures

    flips, warps = (mirrored & ~changed).nonzero().flatten(), changed.nonzero().flatten()
    objects = _move_boxes(source.boxes[chosen], source.counts[chosen], zoom, shift, side)
    # A GPU is waited for with every copy, so there are few.
    images = plain_images(source, chosen, device)
    flip, warp = torch.cat([flips, warps]).to(device).split_with_sizes([len(flips), len(warps)])
    zooms, shifts, gains = torch.cat([zoom, shift, gain], 1)[warps].to(device).split_with_sizes([2, 2, 3], 1)
    index, kinds, boxes = objects.to(device).split_with_sizes([1, 1, 4], 1)
    images[flip] = images[flip].flip(3)
    if len(warps):
        moved = _warp(images[warp], zooms, shifts)
        images[warp] = (moved * gains[:, :, None, None]).clamp_(0, 1)
    return Batch(images, index.flatten(), kinds.flatten(), boxes)


def _warp(images: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Resample (B, 3, S, S); outside is grey."""
    side = images.shape[-1]
    # Pixel centres run from -1 + 1/S to 1 - 1/S. No rotation, so x and y are made apart (affine_grid costs a
    # third of the whole warp).
    places = (torch.arange(side, device=images.device) * 2 + 1) / side - 1
    across, down = (zoom[:, axis, None] * places + shift[:, axis, None] for axis in (0, 1))  # (B, S) each
    grid = torch.stack([across[:, None].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], -1)
    return functional.grid_sample(images - GREY / 255, grid, align_corners=False) + GREY / 255


def _move_boxes(boxes: Tensor, counts: Tensor, zoom: Tensor, shift: Tensor, side: int) -> Tensor:
    """Boxes (B, M, 5) where the warp takes them: (objects, 6), index, class and box of those that are left."""
    # Positions in [-1, 1], where half a side is as long as a whole side in shares of the picture.
    centre, half = boxes[..., 1:3] * 2 - 1, boxes[..., 3:5]
    centre = (centre - shift[:, None]) / zoom[:, None]
    half = half / zoom.abs()[:, None]
    low, high = (centre - half).clamp(-1, 1), (centre + half).clamp(-1, 1)
    left = high - low
    real = torch.arange(boxes.shape[1])[None] < counts[:, None]
    seen = left.prod(-1) >= _VISIBLE * (2 * half).prod(-1)
    keep = real & seen & (left.amin(-1) * side / 2 >= _SMALLEST)
    index, slot = keep.nonzero(as_tuple=True)
    moved = torch.cat([(low + high) / 4 + 0.5, left / 2], -1)  # back to shares of the side
    return torch.cat([index.float()[:, None], boxes[index, slot, :1], moved[index, slot]], 1)
