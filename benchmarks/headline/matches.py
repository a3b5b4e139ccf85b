"""What a trained design finds in every picture, in a small file, and its mAP50-95 on resampled pictures.

The mAP is Ultralytics' own (`nas.proxy.score_of`), to rounding, for thousands of resamplings at once. It can be, since
its curve is flat between two recalls: there it is the precision of the next right detection, or of a better later one.
So of each right detection only the precision counts, and the grid points of recall that it covers; and a picture that
is drawn twice counts its detections twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.proxy import Matched
from nas.util.atomic_files import write_whole

_THRESHOLDS = 10
_GRID = np.linspace(0, 1, 101)
_SHARES = np.full(101, 0.01)
_SHARES[[0, -1]] = 0.005
_BELOW = np.concatenate([[0.0], _SHARES.cumsum()])
"""Of the first so many grid points the share of the area, by the trapezoidal rule."""
_AT_ONCE = 250


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Detections in all pictures of a split, without those that can change no average precision.

    Attributes:
        pictures: Number of pictures.
        right: (detections, 10), whether a detection is right at IoU 0.5, 0.55, ... 0.95.
        confidence: (detections,).
        kinds: (detections,), their classes.
        of: (detections,), their pictures.
        truth: (objects,), the true classes.
        truth_of: (objects,), their pictures.
    """

    pictures: int
    right: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    kinds: NDArray[np.int64]
    of: NDArray[np.int64]
    truth: NDArray[np.int64]
    truth_of: NDArray[np.int64]

    @classmethod
    def of_pictures(cls, pictures: Sequence[Matched]) -> Self:
        """Put pictures together.

        Args:
            pictures: One a picture, in the split's order.
        """
        right = np.concatenate([one.right for one in pictures])
        confidence = np.concatenate([one.confidence for one in pictures])
        kinds = np.concatenate([one.kinds for one in pictures]).astype(np.int64)
        of = np.repeat(np.arange(len(pictures)), [len(one.kinds) for one in pictures])
        kept = np.zeros(len(kinds), dtype=bool)
        for kind in np.unique(kinds):
            mine = kinds == kind
            found = confidence[mine & right.any(axis=1)]
            if len(found):  # after the last right detection the curve is 0
                kept |= mine & (confidence >= found.min())
        return cls(
            pictures=len(pictures),
            right=right[kept],
            confidence=confidence[kept],
            kinds=kinds[kept],
            of=of[kept],
            truth=np.concatenate([one.truth for one in pictures]).astype(np.int64),
            truth_of=np.repeat(np.arange(len(pictures)), [len(one.truth) for one in pictures]),
        )

    def write(self, path: Path) -> None:
        """Write a compressed file."""
        buffer = BytesIO()
        np.savez_compressed(
            buffer,
            pictures=np.int32(self.pictures),
            right=np.packbits(self.right, axis=1),
            confidence=self.confidence,
            kinds=self.kinds.astype(np.uint16),
            of=self.of.astype(np.int32),
            truth=self.truth.astype(np.uint16),
            truth_of=self.truth_of.astype(np.int32),
        )
        write_whole(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inverse of `write`."""
        with np.load(path, allow_pickle=False) as file:
            whole = {name: file[name].astype(np.int64) for name in ("kinds", "of", "truth", "truth_of")}
            right = np.unpackbits(file["right"], axis=1, count=_THRESHOLDS).astype(bool)
            return cls(pictures=int(file["pictures"]), right=right, confidence=file["confidence"], **whole)

    def map50_95(self, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        """MAP50-95 of resampled pictures.

        Args:
            drawn: (draws, pictures), how often a draw has each picture; some object in each draw.

        Returns:
            (draws,), the mean over the classes that occur in a draw.
        """
        parts = [self._some(drawn[begin : begin + _AT_ONCE]) for begin in range(0, len(drawn), _AT_ONCE)]
        return np.concatenate(parts)

    def _some(self, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        order = np.argsort(-self.confidence, kind="stable")
        total, classes = np.zeros(len(drawn)), np.zeros(len(drawn))
        for kind in np.unique(self.truth):
            objects = drawn[:, self.truth_of[self.truth == kind]].sum(axis=1)
            mine = order[self.kinds[order] == kind]
            total += _average_precision(drawn[:, self.of[mine]], self.right[mine], objects)
            classes += objects > 0
        return total / classes


def _average_precision(
    times: NDArray[np.int64], right: NDArray[np.bool_], objects: NDArray[np.int64]
) -> NDArray[np.float64]:
    """AP50-95 of one class.

    Args:
        times: (draws, detections), how often a draw has each detection, the most confident first.
        right: (detections, 10).
        objects: (draws,), objects of the class.

    Returns:
        (draws,), 0 where there is no object.
    """
    every = times.cumsum(axis=1)
    found = np.zeros(len(times))
    for threshold in range(_THRESHOLDS):
        at = np.flatnonzero(right[:, threshold])
        here = times[:, at]
        hits = here.cumsum(axis=1)
        precision = np.where(here > 0, hits / np.maximum(every[:, at], 1), 0.0)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = hits / np.maximum(objects, 1)[:, None]
        reached = _BELOW[np.searchsorted(_GRID, recall, side="left")]
        found += (best * np.diff(reached, axis=1, prepend=0.0)).sum(axis=1)
    return found / _THRESHOLDS
