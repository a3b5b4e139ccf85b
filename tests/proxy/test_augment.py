"""The augmentation moves boxes with their pictures."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nas.data import DetectionData
from nas.data.image_cache import Pixels, pixels
from nas.proxy.augment import augmented, kept_on

CPU = torch.device("cpu")


def one_square(side: int = 96) -> Pixels:
    """Sixteen times a black picture with one white box, left of the middle."""
    images = torch.zeros(16, 3, side, side, dtype=torch.uint8)
    images[:, :, 30:60, 20:40] = 255
    box = torch.tensor([2, 30 / side, 45 / side, 20 / side, 30 / side])
    counts = torch.ones(16, dtype=torch.int64)
    return Pixels(images, box.expand(16, 1, 5).clone(), counts, torch.zeros(16, 2), torch.zeros(16, 4))


def test_boxes_stay_on_their_objects() -> None:
    batch = augmented(one_square(), torch.arange(16), torch.Generator().manual_seed(0), CPU)
    assert batch.kinds.tolist() == [2.0] * 16
    lefts = 0
    for image, (x, y, wide, high) in zip(batch.images, batch.boxes * 96, strict=True):
        # Brighter than half of the object's own brightness; the grey border is darker.
        bright = image.mean(0) > image.mean(0).max() * 0.75
        rows, columns = bright.nonzero(as_tuple=True)
        found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        told = torch.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2])
        assert (found - told).abs().max() < 1.2
        lefts += int(x < 48)
    assert 2 < lefts < 14  # mirrored about half of the time


def test_share_zero_mirrors_only() -> None:
    source = one_square()
    batch = augmented(source, torch.arange(16), torch.Generator().manual_seed(0), CPU, share=0.0)
    plain = source.images[0].float() / 255
    either = [torch.equal(image, plain) for image in batch.images]
    mirrored = [torch.equal(image, plain.flip(2)) for image in batch.images]
    assert all(one != other for one, other in zip(either, mirrored, strict=True))
    assert batch.boxes[:, 1:].allclose(source.boxes[:, 0, 2:], atol=1e-5)


def test_one_seed_gives_one_batch(small_data: DetectionData) -> None:
    source, chosen = pixels(small_data.train, 64), torch.arange(8)
    torch.manual_seed(1)
    first = augmented(source, chosen, torch.Generator().manual_seed(5), CPU)
    torch.manual_seed(2)
    second = augmented(source, chosen, torch.Generator().manual_seed(5), CPU)
    other = augmented(source, chosen, torch.Generator().manual_seed(6), CPU)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.boxes, second.boxes)
    assert not torch.equal(first.images, other.images)


def test_boxes_lie_in_the_picture(small_data: DetectionData) -> None:
    source = pixels(small_data.train, 64)
    batch = augmented(source, torch.arange(len(source)), torch.Generator().manual_seed(0), CPU)
    low, high = (batch.boxes[:, :2] + sign * batch.boxes[:, 2:] / 2 for sign in (-1, 1))
    assert low.min() > -1e-5
    assert high.max() < 1 + 1e-5
    assert 0.8 * small_data.train.objects < len(batch.boxes) <= small_data.train.objects


class Copies(TorchDispatchMode):
    """Counts the copies to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.count += func is torch.ops.aten._to_copy.default and kwargs.get("device") == torch.device("meta")
        return func(*args, **kwargs)


def test_a_batch_is_few_copies_to_its_device() -> None:
    with Copies() as copies:
        batch = augmented(one_square(), torch.arange(16), torch.Generator().manual_seed(0), torch.device("meta"))
    assert batch.images.shape == (16, 3, 96, 96) and batch.boxes.shape == (16, 4)
    assert copies.count == 4  # pictures, which of them change, how, and objects


@pytest.mark.parametrize(
    ("device", "free_bytes", "moved"), [("cpu", 10**9, False), ("cuda:1", 999, False), ("cuda:1", 1000, True)]
)
def test_pictures_stay_on_a_gpu_that_has_room(
    device: str, free_bytes: int, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (free_bytes, 0))
    images: Any = SimpleNamespace(nbytes=100, to=lambda place: f"on {place}")
    found = kept_on(replace(one_square(), images=images), torch.device(device))
    assert (found.images == f"on {device}") == moved
