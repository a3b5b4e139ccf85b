"""The smallest and largest model of a space, against counting all of them, and their real modules."""

import random
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.architecture.ultralytics_yaml import to_yaml
from nas.model.builder import build, fused
from nas.space.bounds import largest, smallest
from nas.space.space import load_space

SMALL = """
imgsz: 64
activation: relu
stem_width: 8
stages:
  P2: {block: [c3k2, ghost], width: 16, depth: 1, downsample: [conv, ghost]}
  P3: {block: [c3k2, ghost], width: 24, depth: 1, expansion: 3, downsample: [conv, ghost]}
  P4: {block: ghost, width: 32, depth: 1}
  P5: {block: c3k2, width: 40, depth: 1, downsample: ghost}
neck_width: 16
box_width: 16
cls_width: 16
reg_max: 1
"""


@cache
def params(arch: Architecture) -> int:
    return sum(p.numel() for p in fused(build(to_yaml(arch, 4))).parameters())


@pytest.mark.slow
def test_extremes_are_those_of_counting_everything(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    space = load_space(str(path))
    points = product(*(range(len(d.choices)) for d in space.dimensions))
    names = [d.name for d in space.dimensions]
    every = {space.decode(dict(zip(names, point, strict=True))) for point in points}
    counts = [params(arch) for arch in every]
    assert len(every) == space.size == 16
    assert params(smallest(space, params)) == min(counts)
    assert params(largest(space, params)) == max(counts)


@pytest.mark.slow
def test_no_sample_of_the_default_space_lies_outside_its_extremes() -> None:
    space, rng = load_space("ghostv2-n"), random.Random(0)
    low, high = params(smallest(space, params)), params(largest(space, params))
    assert all(low < params(space.decode(space.sample(rng))) < high for _ in range(10))
