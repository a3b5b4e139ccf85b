"""The search space as a value: dimensions of choices, and architectures as one index a dimension.

A point of the space maps each dimension's name to the index of a choice. Several points can describe one
network (the pool of a DFC attention that is off has no effect); `decode` returns the canonical architecture,
`encode` its one canonical point, in which every dimension without effect has index 0.
"""

import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Self, get_args

import nas
from nas.architecture import LEVELS, Architecture, Block, Downsample
from nas.errors import SpaceError
from nas.space.codec import architecture, index_of, stage_size, values_of
from nas.space.file import read_space_file
from nas.space.rules import oversized_pools
from nas.space.schema import default, dimensions
from nas.space.traits import trait
from nas.util.image_size import fits
from nas.util.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing to choose.

    Attributes:
        name: A key of the file, such as `neck_width` or `P3.dfc_kernel`.
        choices: The values in the file's order.
        ordered: Whether neighbouring choices are alike (numbers), rather than just different (blocks).
    """

    name: str
    choices: tuple[Any, ...]
    ordered: bool


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """A validated search space.

    Attributes:
        name: What the file calls it (by default the file's name).
        source: The file it came from.
        dimensions: Every dimension, in the file format's order.
        description: What the file says about it.
    """

    name: str
    source: Path
    dimensions: tuple[Dimension, ...]
    description: str = ""

    @property
    def digest(self) -> str:
        """10 hexadecimal digits that change with any dimension or choice (not with the name or a comment)."""
        # Keys that are left out do not count, so that a file keeps its digest when the format learns new ones.
        content = json.dumps([[d.name, d.choices] for d in self.dimensions if not _left_out(d)])
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    @property
    def size(self) -> int:
        """How many different networks the space holds, exactly."""
        shared = math.prod(len(choices) for name, choices in self.choices.items() if "." not in name)
        return shared * math.prod(stage_size(self.choices, level) for level in LEVELS)

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """The choices by dimension."""
        return {d.name: d.choices for d in self.dimensions}

    def decode(self, indices: Mapping[str, int]) -> Architecture:
        """The canonical architecture of a point; what the file leaves out of later keys may be left out of it, too.

        Raises:
            SpaceError: A dimension is missing or unknown, or an index is out of range.
        """
        indices = {**{d.name: 0 for d in self.dimensions if _left_out(d)}, **indices}
        wrong = {d.name for d in self.dimensions} ^ set(indices)
        if wrong:
            raise SpaceError(
                f"{self.name}: a point needs exactly the space's dimensions; check {', '.join(sorted(wrong))}"
            )
        for d in self.dimensions:
            if not 0 <= indices[d.name] < len(d.choices):
                raise SpaceError(f"{self.name}: `{d.name}` has choices 0..{len(d.choices) - 1}, got {indices[d.name]}")
        return architecture({d.name: d.choices[indices[d.name]] for d in self.dimensions})

    def encode(self, arch: Architecture) -> dict[str, int] | None:
        """The canonical point of an architecture; None when it is not in the space."""
        values, indices = values_of(arch), dict[str, int]()
        for d in self.dimensions:
            index = index_of(d.name, d.choices, values)
            if index is None:
                return None
            indices[d.name] = index
        return indices

    def sample(self, rng: random.Random) -> dict[str, int]:
        """A random canonical point: every dimension uniform and independent."""
        point = self.encode(self.decode({d.name: rng.randrange(len(d.choices)) for d in self.dimensions}))
        assert point is not None
        return point

    def neighbour(self, indices: Mapping[str, int], rng: random.Random) -> dict[str, int]:
        """A point with one dimension changed (by one step where ordered) that is another network.

        Raises:
            SpaceError: The space holds only one architecture.
        """
        key = self.decode(indices).key
        for d in rng.sample(self.dimensions, len(self.dimensions)):
            at = indices[d.name]
            others = [i for i in range(len(d.choices)) if i != at and (not d.ordered or abs(i - at) == 1)]
            for index in rng.sample(others, len(others)):
                point = {**indices, d.name: index}
                if self.decode(point).key != key:
                    return point
        raise SpaceError(f"{self.name} holds one architecture only; give at least one key more choices")

    def with_imgsz(self, sizes: Sequence[int]) -> Self:
        """The same space with other input sizes.

        Raises:
            SpaceError: A size is not a multiple of 32, or too small for the space's DFC pools.
        """
        sizes = sorted(set(sizes))
        wrong = [size for size in sizes if not fits(size)]
        if wrong or not sizes:
            raise SpaceError(f"imgsz must be a multiple of 32; got {', '.join(map(str, wrong)) or 'nothing'}")
        pools = [f"`{level}.dfc_pool` {text}" for level, _, text in oversized_pools(self.choices, sizes[0])]
        if pools:
            raise SpaceError(*(f"imgsz {sizes[0]} is too small for {self.name}: {text}" for text in pools))
        changed = (replace(d, choices=tuple(sizes)) if d.name == "imgsz" else d for d in self.dimensions)
        return replace(self, dimensions=tuple(changed))

    def smallest(self) -> tuple[Architecture, ...]:
        """The least of everything, once for each uniform pair of block and down-sampler."""
        return self._corners(largest=False)

    def largest(self) -> tuple[Architecture, ...]:
        """The most of everything, once for each uniform pair of block and down-sampler."""
        return self._corners(largest=True)

    def _corners(self, largest: bool) -> tuple[Architecture, ...]:
        extreme = {d.name: _extreme(d, largest) for d in self.dimensions}
        corners: dict[str, Architecture] = {}
        for wishes in product(get_args(Block), get_args(Downsample)):
            values = dict(extreme)
            for level, (field, wish) in product(LEVELS, zip(("block", "downsample"), wishes, strict=True)):
                name = f"{level}.{field}"
                values[name] = wish if wish in self.choices[name] else extreme[name]
            corner = architecture(values)
            corners.setdefault(corner.key, corner)
        return tuple(corners.values())


def _left_out(d: Dimension) -> bool:
    return trait(d.name).later and d.choices == default(d.name)


def _extreme(d: Dimension, largest: bool) -> Any:
    """The choice that makes the smallest or largest network."""
    known = trait(d.name)
    if known.by_work:
        choices: list[Any] = [choice for choice in known.by_work if choice in d.choices]
    else:
        choices = sorted(d.choices) if d.ordered else [d.choices[0]]
    if known.more_is_less:
        choices.reverse()
    return choices[-1 if largest else 0]


def spaces_folder() -> Path:
    """The folder `search_spaces`: inside the package where it is installed, beside it in a checkout."""
    package = Path(nas.__file__).parent
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


def shipped_spaces() -> dict[str, Path]:
    """The spaces that come with ghostnas, by name."""
    return {path.stem: path for path in sorted(spaces_folder().glob("*.yaml"), key=lambda path: path.stem)}


def _find(name_or_path: str, also: Sequence[str]) -> Path:
    shipped = shipped_spaces()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    # A name too long, with a NUL or of an unknown user raises instead of being no file.
    with suppress(OSError, ValueError, RuntimeError):
        if path.expanduser().is_file():
            return path.expanduser()
    known = [*shipped, *also]
    hint = did_you_mean(path.stem, known) or "; give a path to a YAML file or a shipped name"
    raise SpaceError(
        f"{name_or_path!r} is neither a search-space file nor the name of a shipped space ({', '.join(known)}){hint}"
    )


def load_space(name_or_path: str, also: Sequence[str] = ()) -> SearchSpace:
    """Load a search space by the name of a shipped one, or from a file.

    Args:
        name_or_path: The name or the file.
        also: Other words that the caller takes, for the error.

    Raises:
        SpaceError: There is no such space, or its file breaks a rule (every broken rule, one line each).
    """
    path = _find(name_or_path, also)
    file = read_space_file(path)
    found = tuple(Dimension(name, choices, ordered=trait(name).ordered) for name, choices in dimensions(file).items())
    return SearchSpace(file.name or path.stem, path, found, file.description)
