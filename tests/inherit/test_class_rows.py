"""The last layers of the head: bins are folded as their probabilities add up, classes found by name."""

import pytest
import torch

from nas.inherit.class_rows import class_rows, other_bins


def distances(logits: torch.Tensor) -> torch.Tensor:
    """What the distribution focal loss's layer makes of (4 x R,) logits: four distances."""
    sides = logits.view(4, -1)
    return sides.softmax(1) @ torch.arange(sides.shape[1], dtype=sides.dtype)


@pytest.fixture
def layer() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 8, 1, 1, generator=random, dtype=torch.float64)
    return weight, -torch.arange(16).double().repeat(4) + torch.randn(64, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("bins", [1, 2, 4, 8, 16, 24])
def test_at_its_biases_a_layer_predicts_what_is_left_of_the_bins(
    layer: tuple[torch.Tensor, torch.Tensor], bins: int
) -> None:
    weight, bias = layer
    made, shift = other_bins(weight, bias, bins)
    assert made.shape == (4 * bins, 8, 1, 1)
    have = bias.view(4, 16).softmax(1)
    if bins == 1:
        torch.testing.assert_close(shift, distances(bias))
        return
    got = shift.view(4, bins).softmax(1)
    kept = min(bins, 16) - 1
    torch.testing.assert_close(got[:, :kept], have[:, :kept], atol=1e-3, rtol=0)
    torch.testing.assert_close(got[:, kept:].sum(1), have[:, kept:].sum(1), atol=1e-3, rtol=0)


@pytest.mark.parametrize("bins", [1, 4])
def test_near_its_biases_the_error_is_of_second_order(layer: tuple[torch.Tensor, torch.Tensor], bins: int) -> None:
    weight, bias = layer
    made, shift = other_bins(weight, bias, bins)
    direction = torch.randn(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def error(size: float) -> float:
        wanted = (bias + weight[:, :, 0, 0] @ (size * direction)).view(4, 16)
        got = shift + made[:, :, 0, 0] @ (size * direction)
        if bins == 1:
            return float((got - distances(wanted.flatten())).abs().max())
        folded = torch.cat([wanted[:, : bins - 1], wanted[:, bins - 1 :].logsumexp(1, keepdim=True)], 1)
        return float((got.view(4, bins).softmax(1) - folded.softmax(1)).abs().max())

    assert error(1e-3) < 1e-4
    assert error(1e-3) < error(1e-2) / 50


def test_classes_are_found_by_name() -> None:
    assert class_rows(["Dog", "WBC", " cat "], ["person", "cat", "dog", "dog"]) == (2, None, 1)
