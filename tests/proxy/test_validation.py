"""The score is Ultralytics' own number."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nas.data import DetectionData, load
from nas.errors import ProxyError
from nas.proxy import ProxySettings, train_proxy, validate
from tests.proxy.conftest import MakeModel


class Oracle(nn.Module):
    """A "model" that answers with given boxes, one call a batch, in the letterboxed picture's pixels."""

    def __init__(self, nc: int, answers: torch.Tensor) -> None:
        """Take the answers, (pictures, 4 + nc, anchors)."""
        super().__init__()
        head = nn.Identity()
        head.nc = nc  # type: ignore[assignment]
        self.model = nn.ModuleList([head])
        self.answers, self.given = answers, 0

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The next pictures' answers."""
        part = self.answers[self.given : self.given + len(images)]
        self.given += len(images)
        return part, None


def truth(data: DetectionData, imgsz: int) -> torch.Tensor:
    """The true boxes of the selection part as predictions of confidence 1."""
    from nas.data.image_cache import pixels

    source = pixels(data.select, imgsz)
    answers = torch.zeros(len(source), 4 + data.nc, source.boxes.shape[1])
    answers[:, :4] = source.boxes[..., 1:].transpose(1, 2) * imgsz
    for index, count in enumerate(source.counts.tolist()):
        for slot in range(count):
            answers[index, 4 + int(source.boxes[index, slot, 0]), slot] = 1
    return answers


def test_truth_scores_one_and_nothing_scores_zero(bccd: Path) -> None:
    data = load(str(bccd))
    answers = truth(data, 160)
    perfect = validate(Oracle(3, answers), data.select, data, 160)
    assert perfect.map50_95 > 0.93  # NMS merges true boxes that overlap by more than 0.7
    assert perfect.map50 == pytest.approx(perfect.map50_95, abs=0.03)
    nothing = validate(Oracle(3, torch.zeros_like(answers)), data.select, data, 160)
    assert (nothing.map50_95, nothing.map50) == (0.0, 0.0)


def test_pictures_that_do_not_fit_into_memory_get_the_same_score(
    small_data: DetectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(0)
    answers = truth(small_data, 64)
    answers *= 1 + 0.1 * torch.randn(answers.shape, generator=random)
    held = validate(Oracle(6, answers), small_data.select, small_data, 64)
    assert 0.1 < held.map50_95 < 0.9
    monkeypatch.setattr("nas.data.image_cache.psutil.virtual_memory", lambda: SimpleNamespace(available=100_000))
    unseen = replace(small_data.select, key="unseen")
    assert validate(Oracle(6, answers), unseen, small_data, 64) == held


def test_outputs_that_are_not_finite_have_no_score(small_data: DetectionData) -> None:
    answers = truth(small_data, 64)
    answers[3, 1, 0] = float("nan")
    with pytest.raises(ProxyError, match="not finite"):
        validate(Oracle(6, answers), small_data.select, small_data, 64)


def test_another_number_of_classes_is_refused(small_data: DetectionData, make_model: MakeModel) -> None:
    with pytest.raises(ProxyError, match=r"detects 3 classes, the data embedded has 6; build it with nc=6"):
        validate(make_model(nc=3), small_data.select, small_data, 64)


@pytest.mark.slow
def test_score_equals_ultralytics_validator(bccd: Path, make_model: MakeModel, tmp_path: Path) -> None:
    """The same model and pictures through DetectionValidator, square pictures, in its own coordinates."""
    import shutil

    from ultralytics.models.yolo.detect import DetectionValidator

    data = load(str(bccd))
    settings = ProxySettings(steps=50, batch=8)
    _, model = train_proxy(make_model(nc=3, width=0.125), data, 96, settings)
    for kind in ("images", "labels"):
        (tmp_path / kind / "val").mkdir(parents=True)
    for picture in data.select.images:  # copied, because Ultralytics writes a cache beside the labels
        shutil.copy(picture, tmp_path / "images" / "val")
        label = picture.parents[2] / "labels" / picture.parent.name / f"{picture.stem}.txt"
        shutil.copy(label, tmp_path / "labels" / "val")
    names = "\n".join(f"  {index}: {name}" for index, name in enumerate(data.names))
    (tmp_path / "data.yaml").write_text(f"path: {tmp_path}\ntrain: images/val\nval: images/val\nnames:\n{names}\n")
    validator = DetectionValidator(
        args={
            "data": str(tmp_path / "data.yaml"), "imgsz": 96, "rect": False, "batch": 16, "workers": 0,
            "device": "cpu", "plots": False, "verbose": False,
        },
        save_dir=tmp_path / "run",
    )  # fmt: skip
    ours = validate(model, data.select, data, 96)
    model.names = dict(enumerate(data.names))  # type: ignore[assignment]
    theirs = validator(model=model)
    assert ours.map50 > 0.05  # a model that has learned something, or equality says nothing
    assert ours.map50_95 == pytest.approx(theirs["metrics/mAP50-95(B)"], abs=1e-3)
    assert ours.map50 == pytest.approx(theirs["metrics/mAP50(B)"], abs=1e-3)
