"""The space as a value: encoding, canonical points, exact size, neighbours, corners."""

import random
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import pytest

from nas.architecture.architecture import BLOCK_CHOICES, LEVELS, downsampler, same_block
from nas.errors import SpaceError
from nas.space.codec import values_of
from nas.space.space import SearchSpace, load_space, shipped_spaces

SHIPPED = (
    *("ghostv2-n", "ghostv2-n-wide", "ghostv2-s", "ghostv2-m"),
    *("mixed-n", "mixed-s", "narrowed-n", "narrowed-s", "narrowed-m"),
)

TINY = """
imgsz: [64, 96]
activation: relu
stem_width: 16
stages:
  P2:
    {block: [c3k2, ghost], width: [16, 32], depth: 1, expansion: [1, 2], dfc_kernel: [0, 3], dfc_pool: [1, 2]}
  P3: {block: ghost, width: 32, depth: 1, dfc_kernel: [0, 5], dfc_pool: [1, 2, 4], se: [false, true]}
  P4: {block: c3k2, width: 32, depth: [1, 2], expansion: [1, 2], downsample: [conv, ghost]}
  P5: {block: [ghost, c3k2], width: 64, depth: 1, se: [false, true]}
neck_width: 16
box_width: 16
cls_width: 16
reg_max: 4
"""


@pytest.fixture(params=SHIPPED)
def space(request: pytest.FixtureRequest) -> SearchSpace:
    """Each shipped space."""
    return load_space(request.param)


@pytest.fixture
def tiny(tmp_path: Path) -> SearchSpace:
    """A space small enough to walk through."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return load_space(str(path))


def test_every_space_is_shipped() -> None:
    assert set(shipped_spaces()) == set(SHIPPED)


def test_encode_inverts_decode(space: SearchSpace) -> None:
    rng = random.Random(0)
    for _ in range(100):
        raw = {d.name: rng.randrange(len(d.choices)) for d in space.dimensions}
        arch = space.decode(raw)
        point = space.encode(arch)
        assert arch == arch.canonical() and point is not None
        assert space.decode(point) == arch
        assert space.encode(space.decode(point)) == point
        values = values_of(arch)
        for name, value in values.items():
            drawn = space.choices[name][raw[name]]
            if name.endswith("block"):
                drawn = same_block(drawn, bool(values[name.replace("block", "se")]))
            if name.endswith("downsample"):
                drawn = downsampler(values[name.replace("downsample", "block")], drawn)
            assert value in (None, drawn)
            if value is None:
                assert point[name] == 0


def test_keys_are_equal_exactly_when_canonical_points_are(space: SearchSpace) -> None:
    rng = random.Random(1)
    keys: dict[str, dict[str, int]] = {}
    for _ in range(300):
        point = space.sample(rng)
        assert keys.setdefault(space.decode(point).key, point) == point


@pytest.mark.slow
def test_size_counts_distinct_keys(tiny: SearchSpace) -> None:
    points = product(*(range(len(d.choices)) for d in tiny.dimensions))
    names = [d.name for d in tiny.dimensions]
    keys = {tiny.decode(dict(zip(names, point, strict=True))).key for point in points}
    # P2: 2 widths x (c3k2 + 2 expansions x (off + 2 pools)); P3: 2 x (off + 3 pools); P4: 2 x 2; P5: 2 + 1
    assert tiny.size == len(keys) == 2 * (2 * (1 + 2 * 3)) * (2 * 4) * 4 * 3


FAMILIES = """
imgsz: 64
activation: relu
stem_width: 16
stages:
  P2: {block: [c3k2, ghost], width: 16, depth: 1}
  P3:
    block: [ghost, ghostv3, mobilenetv3, mbconv, fused_mbconv, lcnet, vanilla, c3k2]
    width: 32
    depth: 1
    expansion: [1, 2]
    ratio: [2, 3]
    dfc_kernel: [0, 3]
    dfc_pool: [1, 2]
    kernel: [3, 5]
    se: [false, true]
    downsample: [conv, ghost, block]
  P4: {block: lcnet, width: 32, depth: [1, 2]}
  P5: {block: vanilla, width: 64, depth: 1, downsample: block}
neck_width: 16
box_width: 16
cls_width: 16
reg_max: 4
neck: [pan, slim]
end2end: [false, true]
"""


def test_size_counts_distinct_keys_of_every_family(tmp_path: Path) -> None:
    path = tmp_path / "families.yaml"
    path.write_text(FAMILIES)
    space = load_space(str(path))
    first = {d.name: 0 for d in space.dimensions}
    p3 = {d.name: range(len(d.choices)) for d in space.dimensions if d.name.startswith("P3")}
    keys = {space.decode({**first, **dict(zip(p3, point, strict=True))}).key for point in product(*p3.values())}
    ghost = 2 * 2 * 2 * (1 + 2) * 2  # expansion, ratio, SE, attention; its own down-sampler is the ghost bottleneck
    inverted, fused, lcnet, vanilla = 2 * 2 * 2 * 3, 2 * 2 * 3, 2 * 2 * 3, 2 * 3
    # Without SE, EfficientNetV2's block is MobileNetV3's.
    assert len(keys) == 2 * ghost + inverted + inverted // 2 + fused + lcnet + vanilla + 2
    assert space.size == len(keys) * 2 * 2 * 2 * 2  # P2's block, P4's depth, neck, end2end


def test_a_choice_without_effect_is_left_out_of_the_values() -> None:
    space, rng = load_space("mixed-n"), random.Random(4)
    for _ in range(100):
        arch = space.decode(space.sample(rng))
        for level, stage in zip(LEVELS, arch.stages, strict=True):
            for name in BLOCK_CHOICES:
                assert (values_of(arch)[f"{level}.{name}"] is None) == (not stage.has_effect(name))


def test_an_architecture_outside_is_not_encoded(tiny: SearchSpace) -> None:
    assert tiny.encode(load_space("ghostv2-n").smallest()[0]) is None


def test_sampling_is_seeded_and_canonical(space: SearchSpace) -> None:
    first, second = random.Random(7), random.Random(7)
    for _ in range(50):
        point = space.sample(first)
        assert point == space.sample(second) == space.encode(space.decode(point))


def test_a_neighbour_differs_in_one_step(space: SearchSpace) -> None:
    rng = random.Random(2)
    ordered = {d.name: d.ordered for d in space.dimensions}
    for _ in range(300):
        point = space.sample(rng)
        other = space.neighbour(point, rng)
        (changed,) = (name for name in point if point[name] != other[name])
        assert space.decode(point).key != space.decode(other).key
        assert not ordered[changed] or abs(point[changed] - other[changed]) == 1


def test_neighbours_reach_every_network(tiny: SearchSpace) -> None:
    kept = ("P2", "P5")
    few = replace(
        tiny,
        dimensions=tuple(d if d.name.startswith(kept) else replace(d, choices=d.choices[:1]) for d in tiny.dimensions),
    )
    rng, point = random.Random(3), few.sample(random.Random(3))
    seen = set()
    for _ in range(2000):
        point = few.neighbour(point, rng)
        seen.add(few.decode(point).key)
    assert len(seen) == few.size == 14 * 3


def test_a_single_architecture_has_no_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    stage = "{block: c3k2, width: 64, depth: 1, expansion: [1, 2]}"
    stages = "".join(f"  {level}: {stage}\n" for level in LEVELS)
    rest = "neck_width: 16\nbox_width: 16\ncls_width: 16\nreg_max: 4\n"
    path.write_text(f"imgsz: 64\nactivation: silu\nstem_width: 16\nstages:\n{stages}{rest}")
    space = load_space(str(path))
    assert space.size == 1
    with pytest.raises(SpaceError, match="one architecture only"):
        space.neighbour(space.sample(random.Random(0)), random.Random(0))


def test_corners_are_points_at_the_extremes(space: SearchSpace) -> None:
    for corners, pick in ((space.smallest(), min), (space.largest(), max)):
        # Every pair of block and down-sampler: two a plain or ghost family, three each of the five others.
        families = 5 if corners == space.largest() else 4  # without SE, MBConv is MobileNetV3's
        mixed = 3 * 2 + families * 3
        pairs = {"ghostv2": 4, "mixed": mixed, "narrowed": 1}[space.name.partition("-")[0]]
        assert len({arch.key for arch in corners}) == len(corners) == pairs
        for arch in corners:
            assert space.encode(arch) is not None
            assert arch.imgsz == pick(space.choices["imgsz"]) and arch.reg_max == pick(space.choices["reg_max"])
            assert [s.width for s in arch.stages] == [pick(space.choices[f"{level}.width"]) for level in LEVELS]


def test_imgsz_is_replaced(space: SearchSpace) -> None:
    changed = space.with_imgsz([256, 192, 256])
    assert changed.choices["imgsz"] == (192, 256)
    assert changed.digest != space.digest and space.with_imgsz(space.choices["imgsz"]) == space
    assert changed.size * len(space.choices["imgsz"]) == 2 * space.size


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([100], "multiple of 32; got 100"),
        ([0], "multiple of 32; got 0"),
        ([], "got nothing"),
        ([32], "P5.dfc_pool"),
    ],
)
def test_bad_imgsz_is_refused(sizes: list[int], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        load_space("ghostv2-n").with_imgsz(sizes)


def test_the_digest_follows_the_content_only(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"

    def digest(text: str) -> str:
        path.write_text(text)
        return load_space(str(path)).digest

    base = digest(TINY)
    assert digest("# a comment\nname: other\n" + TINY) == base
    assert digest(TINY.replace("expansion: [1, 2]", "expansion: [1.0, 2.0]")) == base
    assert digest(TINY.replace("imgsz: [64, 96]", "imgsz: [64, 128]")) != base
    assert digest(TINY.replace("activation: relu", "activation: silu")) != base


def test_points_of_another_space_are_refused(tiny: SearchSpace) -> None:
    point = tiny.sample(random.Random(0))
    with pytest.raises(SpaceError, match="neck_width"):
        tiny.decode({name: index for name, index in point.items() if name != "neck_width"})
    with pytest.raises(SpaceError, match=r"`imgsz` has choices 0\.\.1, got 5"):
        tiny.decode({**point, "imgsz": 5})


def test_shipped_choices_are_ordered_as_documented(space: SearchSpace) -> None:
    for d in space.dimensions:
        if d.ordered:
            assert all(a < b for a, b in pairwise(d.choices))
