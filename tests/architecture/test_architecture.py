"""The architecture value: what counts as the same network, and what survives JSON."""

import json
import random
from dataclasses import FrozenInstanceError, replace

import pytest

from nas.architecture.architecture import CHOICES_OF, Architecture, Stage, downsampler
from nas.architecture.key import from_key
from nas.errors import ModelError
from nas.space.reference_designs import yolo11
from nas.space.space import load_space, shipped_spaces

PLAIN = Stage("c3k2", 64, 1)
GHOST = Stage("ghost", 64, 2, expansion=1.5, dfc_kernel=5, dfc_pool=2, se=True, downsample="ghost")


def test_a_plain_stage_forgets_what_only_ghosts_have() -> None:
    noisy = replace(PLAIN, expansion=3.0, dfc_kernel=5, dfc_pool=2, se=True)
    assert noisy.canonical() == PLAIN and noisy.key() != ""
    assert replace(PLAIN, downsample="ghost").canonical() != PLAIN


def test_an_attention_that_is_off_forgets_its_pool() -> None:
    off = replace(GHOST, dfc_kernel=0)
    assert off.canonical() == replace(off, dfc_pool=1)
    assert GHOST.canonical() == GHOST


def test_the_key_reads_like_the_design() -> None:
    assert PLAIN.key() == "c3k264x1-dconv"
    assert GHOST.key() == "ghost64x2-e1.5-k5p2-se-dghost"


def test_key_and_digest_are_stable() -> None:
    # Stored studies are matched by key: a change here orphans every recorded trial.
    arch = yolo11("n", 160)
    assert arch.key == (
        "i160 silu stem16 P2=c3k264x1-dconv P3=c3k2128x1-dconv P4=c3k2128x1-dconv P5=c3k2256x1-dconv "
        "neck64 box64 cls64 reg16 c3k-deep"
    )
    assert arch.digest == "71aa727669"


def test_every_active_field_is_in_the_key() -> None:
    base = replace(yolo11("n", 160), stages=(GHOST, GHOST, GHOST, GHOST))
    others = [
        replace(base, imgsz=192),
        replace(base, activation="relu"),
        replace(base, stem_width=8),
        replace(base, neck_width=32),
        replace(base, box_width=32),
        replace(base, cls_width=32),
        replace(base, reg_max=8),
        replace(base, c3k="all"),
        replace(base, neck="slim"),
        replace(base, neck="afpn"),
        replace(base, head="mbconv"),
        replace(base, end2end=True),
        replace(base, levels="P3-P4"),
        replace(base, levels="P2-P4"),
        replace(base, sppf=False),
        replace(base, c2psa=False),
    ]
    changes: list[dict[str, object]] = [
        {"block": "c3k2"}, {"width": 32}, {"depth": 1}, {"expansion": 2.0}, {"dfc_kernel": 3},
        {"dfc_kernel": 0}, {"dfc_pool": 1}, {"se": False}, {"downsample": "conv"}, {"ratio": 3}, {"block": "ghostv3"},
        {"block": "mobilenetv3"}, {"block": "mobilenetv3", "kernel": 5}, {"block": "mbconv"}, {"block": "vanilla"},
        {"block": "fused_mbconv"}, {"block": "lcnet"}, {"block": "lcnet", "downsample": "block"},
    ]  # fmt: skip
    for index in range(4):
        for change in changes:
            stages = list(base.stages)
            stages[index] = replace(GHOST, **change)  # type: ignore[arg-type]
            p2, p3, p4, p5 = stages
            others.append(replace(base, stages=(p2, p3, p4, p5)))
    keys = {base.key, *(arch.key for arch in others)}
    assert len(keys) == 1 + len(others) == len({base.digest, *(arch.digest for arch in others)})


def test_canonical_is_idempotent_and_keeps_the_key() -> None:
    space, rng = load_space("ghostv2-n"), random.Random(0)
    for _ in range(100):
        arch = space.decode({d.name: rng.randrange(len(d.choices)) for d in space.dimensions})
        assert arch.canonical() == arch and arch.canonical().key == arch.key


@pytest.mark.parametrize("name", shipped_spaces())
def test_a_key_is_read_back(name: str) -> None:
    space, rng = load_space(name), random.Random(0)
    for _ in range(200):
        arch = space.decode(space.sample(rng))
        assert from_key(arch.key) == arch


@pytest.mark.parametrize("key", ["", "i160", "{}-x", "{} levels-P3-P5", "{} neck-slim head-yolo11", "{} neck-x", "x{}"])
def test_other_texts_are_no_key(key: str) -> None:
    with pytest.raises(ModelError, match=r"not .*key"):
        from_key(key.format(yolo11("n", 160).key))


def test_a_stages_own_down_sampler_has_one_name() -> None:
    named = {block: downsampler(block, "block") for block in CHOICES_OF}
    assert named.pop("c3k2") == "conv" and named.pop("ghost") == named.pop("ghostv3") == "ghost"
    assert set(named.values()) == {"block"}
    assert all(downsampler(block, wanted) == wanted for block in CHOICES_OF for wanted in ("conv", "ghost"))


def test_a_c3k_without_c3k2_is_forgotten() -> None:
    base = replace(yolo11("n", 160), stages=(GHOST, GHOST, PLAIN, PLAIN), c3k="all")
    assert base.canonical().c3k == "all"
    assert replace(base, neck="slim").canonical().c3k == "deep"
    assert replace(base, neck="slim", stages=(PLAIN, GHOST, GHOST, GHOST)).canonical().c3k == "all"


def test_json_round_trip() -> None:
    arch = replace(yolo11("s", 320, 0.5), stages=(PLAIN, GHOST, PLAIN, GHOST))
    assert Architecture.from_dict(json.loads(json.dumps(arch.to_dict()))) == arch


def test_an_architecture_is_a_value() -> None:
    arch = yolo11("n", 160)
    assert len({arch, yolo11("n", 160)}) == 1
    with pytest.raises(FrozenInstanceError):
        arch.imgsz = 320  # type: ignore[misc]
