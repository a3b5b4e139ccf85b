"""A detection data set as frozen values: where the pictures lie and what is in them. No pixels here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nas.data.findings import Findings

Labels = NDArray[np.float32]  # (objects, 5): class, then centre x, centre y, width, height as shares of the picture


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Some pictures of a data set with their labels.

    Attributes:
        name: `train`, `select` or `val`.
        images: The picture files.
        labels: One array a picture, shape (objects, 5): class, centre x, centre y, width, height (shares of
            the picture's sides).
        key: A text that is equal for two splits when they hold the same pictures of the same data.
    """

    name: str
    images: tuple[Path, ...]
    labels: tuple[Labels, ...]
    key: str

    def __len__(self) -> int:
        return len(self.images)

    def part(self, begin: int, end: int) -> "Split":
        """The pictures from `begin` to before `end`, or to the last.

        Args:
            begin: Index of the first.
            end: Index after the last.
        """
        key = f"{self.key}/{begin}-{end}"
        return replace(self, images=self.images[begin:end], labels=self.labels[begin:end], key=key)

    @property
    def objects(self) -> int:
        """Labelled objects in all pictures."""
        return sum(len(labels) for labels in self.labels)

    def class_counts(self, nc: int) -> tuple[int, ...]:
        """Labelled objects a class.

        Args:
            nc: Number of classes.
        """
        counts = np.zeros(nc, dtype=np.int64)
        for labels in self.labels:
            counts += np.bincount(labels[:, 0].astype(np.int64), minlength=nc)
        return tuple(int(count) for count in counts)


@dataclass(frozen=True, slots=True, eq=False)
class DetectionData:
    """A detection data set.

    Attributes:
        name: A short name for tables and file names.
        source: The data YAML.
        names: Class names.
        digest: Of the class names, and of the pixels and labels of train and val, whatever the fraction.
        fraction: Share of the training pictures in `train`.
        train: Pictures that proxies learn from.
        select: Pictures carved out of the YAML's train on which candidates are compared; the same for every
            fraction and seed.
        whole: The YAML's train, in the order of the paths: what `train` at a fraction of 1 and `select` hold together.
        val: The YAML's val, looked at once, for the finalists and the baselines.
        picture_px: The longer side of a picture of the YAML's train, in pixels: the median.
        findings: What a user should know of the set.
    """

    name: str
    source: Path
    names: tuple[str, ...]
    digest: str
    fraction: float
    train: Split
    select: Split
    whole: Split
    val: Split
    picture_px: int
    findings: "Findings"

    @property
    def nc(self) -> int:
        """Number of classes."""
        return len(self.names)
