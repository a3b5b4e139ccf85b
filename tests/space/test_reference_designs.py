"""Known designs are points of the shipped spaces, and are what they say they are."""

from pathlib import Path

import pytest
import yaml

from nas.architecture.architecture import LEVELS
from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import UsageError
from nas.model.builder import build, load_model
from nas.space.reference_designs import ghost_corner, scaled_yolo11, yolo11
from nas.space.space import load_space

OWN_SCALE = {"ghostv2-n": "n", "ghostv2-s": "s", "ghostv2-m": "m"}


@pytest.mark.parametrize("scale", ["n", "s", "m"])
def test_yolo11_has_the_tensors_of_yolo11(scale: str) -> None:
    ours, stock = build(to_yaml(yolo11(scale, 640), 80)), load_model(f"yolo11{scale}.yaml", 80)
    shapes = [{n: tuple(p.shape) for n, p in model.named_parameters()} for model in (ours, stock)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("width", [0.25, 0.5, 0.75])
def test_a_scaled_yolo11_is_what_ultralytics_scales(width: float) -> None:
    config = yaml.safe_load(to_yaml(yolo11("n", 160, width), 4))
    assert config["head"][-1][2] == "Detect"
    stock = yaml.safe_load(to_yaml(yolo11("n", 160), 4))
    for part in ("backbone", "head"):
        for ours, full in zip(config[part], stock[part], strict=True):
            if full[2] in ("Conv", "C3k2", "SPPF", "C2PSA"):
                assert ours[3][0] == -(-full[3][0] * width // 8) * 8


@pytest.mark.parametrize("name", OWN_SCALE)
def test_scaled_yolo11_lies_in_the_space(name: str) -> None:
    space = load_space(name)
    designs = scaled_yolo11(space)
    assert len({arch.key for arch in designs}) == len(designs)
    assert all(space.decode(space.encode(arch) or {}) == arch for arch in designs)
    assert designs[0] == yolo11(OWN_SCALE[name], max(space.choices["imgsz"]))
    for imgsz in space.choices["imgsz"]:
        for width in (1.0, 0.75, 0.5, 0.25):
            arch = yolo11(OWN_SCALE[name], imgsz, width)
            assert arch in designs, arch.key
    work = [arch.imgsz * arch.stages[1].width for arch in designs]
    assert work == sorted(work, reverse=True)


def test_the_n_space_holds_the_eighths_too() -> None:
    assert yolo11("n", 96, 0.375) in scaled_yolo11(load_space("ghostv2-n"))


@pytest.mark.parametrize("name", OWN_SCALE)
def test_the_ghost_corner_lies_in_the_space(name: str) -> None:
    space = load_space(name)
    corners = ghost_corner(space)
    assert [arch.imgsz for arch in corners] == sorted(space.choices["imgsz"], reverse=True)
    full = yolo11(OWN_SCALE[name], corners[0].imgsz)
    for arch in corners:
        assert space.decode(space.encode(arch) or {}) == arch
        assert {stage.block for stage in arch.stages} == {stage.downsample for stage in arch.stages} == {"ghost"}
        assert [(s.dfc_kernel, s.dfc_pool) for s in arch.stages] == [(0, 1), (5, 2), (5, 2), (5, 2)]
        assert [stage.width for stage in arch.stages] == [stage.width for stage in full.stages]
        assert arch.neck_width == full.neck_width


def written(folder: Path, head: str, stage: str) -> Path:
    """A space file with four equal stages."""
    stages = "".join(f"  {level}: {{{stage}}}\n" for level in LEVELS)
    rest = "neck_width: 16\nbox_width: 16\ncls_width: 16\nreg_max: 4\n"
    path = folder / "own.yaml"
    path.write_text(f"imgsz: 160\n{head}\nstem_width: 16\nstages:\n{stages}{rest}")
    return path


def test_the_ghost_corner_takes_the_nearest_choice(tmp_path: Path) -> None:
    stage = "block: [c3k2, ghost], width: [32, 64], depth: 2, expansion: [1, 2], dfc_kernel: [0, 9], dfc_pool: 4"
    path = written(tmp_path, "activation: hardswish", stage)
    space = load_space(str(path))
    assert scaled_yolo11(space) == ()
    (corner,) = ghost_corner(space)
    p2, p3, *_ = corner.stages
    assert (corner.activation, p3.width, p3.depth, p3.expansion) == ("hardswish", 64, 2, 2.0)
    assert (p2.dfc_kernel, p3.dfc_kernel, p3.dfc_pool, p3.downsample) == (0, 9, 4, "conv")
    path.write_text(path.read_text().replace("[0, 9]", "0"))
    assert ghost_corner(load_space(str(path))) == ()
    path.write_text(path.read_text().replace("[c3k2, ghost]", "c3k2"))
    assert ghost_corner(load_space(str(path))) == ()


def test_the_ghost_corner_keeps_yolo11s_neck_and_head(tmp_path: Path) -> None:
    (corner, *_) = ghost_corner(load_space("mixed-n"))
    assert (corner.neck, corner.head, corner.end2end, corner.levels) == ("pan", "yolo11", False, "P3-P5")
    assert corner.sppf and corner.c2psa
    stage = "block: ghost, width: 32, depth: 1, expansion: [1, 2], dfc_kernel: [0, 5]"
    space = load_space(str(written(tmp_path, "activation: relu\nneck: [pan, afpn]", stage)))
    assert scaled_yolo11(space) == () and space.largest()[0].neck == "afpn"
    assert ghost_corner(space)[0].neck == "pan"


def test_bad_scales_are_refused() -> None:
    with pytest.raises(UsageError, match="one of n, s, m; got 'q'"):
        yolo11("q", 640)
    with pytest.raises(UsageError, match="above zero; got 0"):
        yolo11("n", 640, 0)
