"""Known weights: what of a trained checkpoint fits into a design, which then does not begin from scratch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.build import load_model
from nas.checkpoints import know_bundled_blocks
from nas.errors import ModelError


@dataclass(frozen=True, slots=True)
class Inherited:
    """How much of a model was taken from a checkpoint.

    Attributes:
        params: Parameters that were taken.
        of: Parameters of the model.
    """

    params: int
    of: int

    @property
    def share(self) -> float:
        """The share of the parameters, in [0, 1]."""
        return self.params / self.of


def load_known(checkpoint: str) -> Any:
    """A checkpoint's detector, whoever trained it.

    Args:
        checkpoint: Path of any Ultralytics checkpoint of a detector, one from a bundle included.

    Raises:
        ModelError: It cannot be loaded, or holds no detector.
    """
    if Path(checkpoint).suffix != ".pt":
        raise ModelError(f"{checkpoint} is no checkpoint: give the .pt file of a trained detector")
    know_bundled_blocks()
    return load_model(Path(checkpoint))


@torch.no_grad()
def inherit(model: Any, checkpoint: str) -> Inherited:
    """Take every tensor of a checkpoint that has the same name and shape in the model.

    Args:
        model: A detector, changed in place.
        checkpoint: Path of any Ultralytics checkpoint of a detector.

    Returns:
        How much was taken; nothing may have been.

    Raises:
        ModelError: The checkpoint cannot be loaded, or holds no detector.
    """
    from ultralytics.utils.torch_utils import intersect_dicts

    taken = intersect_dicts(load_known(checkpoint).float().state_dict(), model.state_dict())
    model.load_state_dict(taken, strict=False)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return Inherited(sum(size for name, size in sizes.items() if name in taken), sum(sizes.values()))
