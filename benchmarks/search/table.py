"""A table of evaluated designs as a search space: only its rows can be proposed.

Columns are dimensions, the accuracy, the latency, and scores of cheaper fidelities; others are named to be left out.
"""

import csv
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.space.space import Dimension
from nas.surrogate import Described

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TableDesign:
    """A row.

    Attributes:
        row: Its number.
        choices: Its dimensions, as an acquisition function sees them.
    """

    row: int
    choices: Mapping[str, float | str]

    @property
    def key(self) -> str:
        """What tells it from other rows."""
        return str(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A space whose designs are the rows of a table; it has what a sampler needs of a `SearchSpace`.

    Attributes:
        name: The file's name.
        dimensions: Every dimension with more than one value.
        points: (rows, dimensions), indices of choices.
        accuracy: (rows,), higher is better.
        latency: (rows,), in the table's unit.
        fidelities: By column, the cheapest first: (rows,) scores that cost less than the accuracy.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    points: NDArray[np.int64]
    accuracy: Values
    latency: Values
    fidelities: Mapping[str, Values]

    def decode(self, indices: Mapping[str, int]) -> TableDesign:
        """The row of a point, or the one that is nearest to it: of fewest other choices, then of nearer numbers."""
        point = np.array([indices[one.name] for one in self.dimensions])
        row = int(self._distances(point).argmin())
        return TableDesign(row, self._choices(row))

    def sample(self, rng: random.Random) -> dict[str, int]:
        """The point of a random row."""
        return self.point(rng.randrange(len(self.points)))

    def neighbour(self, indices: Mapping[str, int], rng: random.Random) -> dict[str, int]:
        """A random one of the rows that are nearest to a point, without its own."""
        distances = self._distances(self.points[self.decode(indices).row])
        others = np.flatnonzero(distances > 0)
        near = others[distances[others] < np.floor(distances[others].min()) + 1]
        return self.point(int(rng.choice(near.tolist())))

    def point(self, row: int) -> dict[str, int]:
        """The indices of a row's choices."""
        return {one.name: int(index) for one, index in zip(self.dimensions, self.points[row], strict=True)}

    def _distances(self, point: NDArray[np.int64]) -> Values:
        """How many choices rows have otherwise, with a rest below one for how far apart ordered ones are."""
        apart = np.abs(self.points - point)
        ordered = np.array([one.ordered for one in self.dimensions])
        most = max(1, sum(len(one.choices) for one in self.dimensions))
        return np.asarray((apart > 0).sum(axis=1) + (apart * ordered).sum(axis=1) / (most + 1))

    def _choices(self, row: int) -> dict[str, float | str]:
        return {one.name: _seen(one, int(at)) for one, at in zip(self.dimensions, self.points[row], strict=True)}


def describe(design: TableDesign) -> Described:
    """What processes learn of a row; nothing is known of its work."""
    return Described(design.choices)


def read_table(
    path: Path, accuracy: str, latency: str, fidelities: Sequence[str] = (), without: Collection[str] = ()
) -> Table:
    """Read a CSV file.

    Args:
        path: The file.
        accuracy: Column of the accuracy.
        latency: Column of the latency.
        fidelities: Columns of cheaper scores, the cheapest first.
        without: Columns that are no dimensions.

    Raises:
        SystemExit: A column is not there or no number, or two rows are one design.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0]) if rows else []
    for column in (accuracy, latency, *fidelities, *without):
        if column not in columns:
            raise SystemExit(f"{path} has no column {column}; it has {', '.join(columns)}")
    values = {name: _numbers(path, rows, name) for name in (accuracy, latency, *fidelities)}
    names = [name for name in columns if name not in values and name not in without]
    dimensions = [_dimension(name, [row[name] for row in rows]) for name in names]
    dimensions = [one for one in dimensions if len(one.choices) > 1]
    points = np.array([[one.choices.index(_value(row[one.name])) for one in dimensions] for row in rows])
    if len(np.unique(points, axis=0)) < len(rows):
        raise SystemExit(f"{path} has rows with the same choices in {', '.join(one.name for one in dimensions)}")
    cheaper = {name: values[name] for name in fidelities}
    return Table(path.stem, tuple(dimensions), points, values[accuracy], values[latency], cheaper)


def _numbers(path: Path, rows: Sequence[Mapping[str, str]], name: str) -> Values:
    try:
        found = np.array([float(row[name]) for row in rows])
    except ValueError as error:
        raise SystemExit(f"{path}: column {name}: {error}") from error
    if not np.isfinite(found).all():
        raise SystemExit(f"{path}: column {name} has values that are not finite")
    return found


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _dimension(name: str, texts: Sequence[str]) -> Dimension:
    values = {_value(text) for text in texts}
    numbers = sorted(one for one in values if isinstance(one, float))
    kinds = sorted(one for one in values if isinstance(one, str))
    return Dimension(name, (*numbers, *kinds), ordered=not kinds)


def _seen(dimension: Dimension, at: int) -> float | str:
    """A choice as a number or a kind; numbers that span a factor of four or more as logarithms."""
    value = dimension.choices[at]
    if not dimension.ordered:
        return str(value)
    low, high = dimension.choices[0], dimension.choices[-1]
    return float(np.log(value)) if low > 0 and high >= 4 * low else float(value)
