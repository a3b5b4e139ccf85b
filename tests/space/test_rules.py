"""One design, one key: different keys give different YAML, and the rules mirror the emitter."""

import random
import re
from dataclasses import replace

import pytest
import yaml

from nas.architecture import multiple_of_8
from nas.architecture.architecture import Stage
from nas.architecture.ultralytics_yaml import to_yaml
from nas.space.reference_designs import yolo11
from nas.space.space import load_space, shipped_spaces


def body(text: str) -> str:
    """The network: without comments, and with one name for the two classes that are alike without SE."""
    text = re.sub(r"MBConv, (\[.*, 0\.0\])", r"MobileNetV3Block, \1", text)
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "ghostv2-n" else pytest.mark.slow) for name in shipped_spaces()],
)
def test_different_keys_are_different_networks(name: str) -> None:
    space, rng = load_space(name), random.Random(5)
    for _ in range(40):
        point = space.sample(rng)
        arch = space.decode(point)
        text = body(to_yaml(arch))
        for d in space.dimensions:
            for index in range(len(d.choices)):
                other = space.decode({**point, d.name: index})
                assert (other.key == arch.key) == (body(to_yaml(other)) == text)


@pytest.mark.parametrize("width", [8, 16, 24, 40, 64])
@pytest.mark.parametrize("expansion", [0.25, 1.0, 1.5, 2.3, 3.0])
def test_hidden_channels_are_the_emitters(width: int, expansion: float) -> None:
    arch = yolo11("n", 64)
    p2, p3, p4, _ = arch.stages
    ghost = Stage("ghost", width, 1, expansion=expansion)
    text = to_yaml(replace(arch, stages=(p2, p3, p4, ghost)))
    rows = [row for row in yaml.safe_load(text)["backbone"] if row[2] == "GhostBottleneckV2"]
    assert rows[0][3][1] == multiple_of_8(width * expansion)
