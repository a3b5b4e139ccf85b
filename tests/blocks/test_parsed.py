"""Our classes in Ultralytics' hands: parsing, fusing, counting, pickling, `YOLO()`, and its own exporter."""

import copy
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ultralytics import YOLO
from ultralytics.nn import tasks
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head import Detect, Segment

from nas.architecture.architecture import Architecture, Stage
from nas.architecture.ultralytics_yaml import to_yaml
from nas.blocks.bottleneck import GhostBottleneckV2
from nas.blocks.head import SlimDetect
from nas.blocks.parsed import ParsedAs
from nas.model.builder import build, load_model, register

GHOST = Stage("ghost", 32, 1, 2, 5, 2, True, "ghost")
ARCH = Architecture(64, "relu", 8, (GHOST, GHOST, GHOST, GHOST), 16, 16, 24, 4)


def test_a_parsed_class_is_found_where_its_stock_class_is_and_nowhere_else() -> None:
    assert GhostBottleneckV2 in frozenset({Conv}) and SlimDetect in {Detect: 1}
    assert GhostBottleneckV2 not in {Detect} and SlimDetect not in {Conv, Segment}
    assert GhostBottleneckV2 == GhostBottleneckV2 and GhostBottleneckV2 is not Conv
    assert GhostBottleneckV2 != SlimDetect and not issubclass(GhostBottleneckV2, Conv)


def test_a_subclass_is_parsed_like_its_parent() -> None:
    class Child(SlimDetect):
        pass

    assert isinstance(Child, ParsedAs) and Child in {Detect} and Child != SlimDetect


def test_pickle_and_deepcopy_keep_the_class() -> None:
    for cls in (GhostBottleneckV2, SlimDetect):
        assert pickle.loads(pickle.dumps(cls)) is cls
        assert copy.deepcopy(cls) is cls
    # Both classes in one pickle: the stock class must not be taken for ours, nor the other way round.
    both = torch.nn.ModuleList([Conv(8, 8), GhostBottleneckV2(8, 8, 16), Conv(8, 8)])
    buffer = io.BytesIO()
    torch.save(both, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    assert [type(m) for m in loaded] == [Conv, GhostBottleneckV2, Conv] == [type(m) for m in copy.deepcopy(both)]
    assert type(loaded[0]) is Conv and type(loaded[1]) is GhostBottleneckV2


def test_channels_reach_the_modules() -> None:
    model = build(to_yaml(ARCH, 3))
    blocks = [m for m in model.model if type(m) is GhostBottleneckV2]
    assert len(blocks) == 8
    assert blocks[0].ghost1.primary_conv.conv.in_channels == 8  # the stem's channels: c1 != c2
    head = model.model[-1]
    assert type(head) is SlimDetect and not head.legacy and not Detect.legacy
    assert [branch[0].conv.in_channels for branch in head.cv2] == [16, 32, 64]
    assert {branch[0].conv.out_channels for branch in head.cv2} == {16}
    assert {branch[1][0].conv.groups for branch in head.cv3} == {24}  # depthwise-separable class branch
    assert head.reg_max == 4 and head.no == 3 + 16


def test_a_yolov8_built_before_leaves_no_legacy_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Detect, "legacy", True)  # what parsing a YOLOv8 leaves behind in the process
    stock = Architecture(64, "relu", 8, (GHOST, GHOST, GHOST, GHOST), 16, 16, 16, 4)
    assert type(build(to_yaml(stock, 3)).model[-1]) is Detect
    for arch in (ARCH, stock):
        head = build(to_yaml(arch, 3)).model[-1]
        assert not head.legacy and len(head.cv3[0][0]) == 2


def test_head_end2end_copies_its_own_branches() -> None:
    head = SlimDetect(3, 16, 24, 4, True, [16, 32, 64])
    assert head.one2one_cv2[0][0].conv.out_channels == 16
    assert head.one2one_cv3[0][1][0].conv.out_channels == 24


def test_registering_twice_changes_nothing() -> None:
    register()
    before = dict(vars(tasks))
    register()
    assert vars(tasks) == before and tasks.GhostBottleneckV2 is GhostBottleneckV2


def test_yolo_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    register()
    (tmp_path / "trial-3.yaml").write_text(to_yaml(ARCH, 3))
    yolo = YOLO("trial-3.yaml")
    assert yolo.task == "detect"
    yolo.save("trial-3.pt")
    again = YOLO("trial-3.pt")
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = yolo.model.eval()(x)[0]
        torch.testing.assert_close(again.model.eval()(x)[0], expected)
        torch.testing.assert_close(load_model("trial-3.pt")(x)[0], expected)
    again.fuse()
    assert again.model.is_fused()
    assert not [m for m in again.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(again.predict(torch.rand(1, 3, 64, 64), verbose=False)) == 1


@pytest.mark.slow
def test_a_checkpoint_opens_in_a_process_that_registered_nothing(tmp_path: Path) -> None:
    yolo = YOLO("yolo11n.yaml")
    yolo.model = build(to_yaml(ARCH, 3))
    yolo.save(str(tmp_path / "best.pt"))
    code = "from nas.util import ultralytics_env; ultralytics_env.prepare()\n"
    code += "from ultralytics import YOLO; print(type(YOLO('best.pt').model.model[-1]).__name__)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("SlimDetect"), done.stderr
