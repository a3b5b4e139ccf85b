"""A source tuned on the data: once, resumable, kept; and a design that begins with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.architecture.ultralytics_yaml import to_yaml
from nas.data import DetectionData
from nas.errors import ModelError, StorageError
from nas.inherit import SCALES, FreshSource, Tuned, default_steps, find_source, tuned
from nas.inherit.from_tuned import begin
from nas.inherit.tuned import how_to_tune, read_tuned, trained_on, tune
from nas.model.builder import build
from nas.proxy import validate
from nas.space.reference_designs import yolo11
from nas.util.torch_threads import threads
from tests.proxy.conftest import small_data  # noqa: F401

WIDTH = 0.125
HOW = how_to_tune(3, batch=8)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A narrow YOLO11 as Ultralytics keeps a trained one, for other classes."""
    path = tmp_path / "source.pt"
    torch.save({"model": build(to_yaml(yolo11("n", 64, WIDTH), 3), seed=3), "train_args": {"data": "x.yaml"}}, path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_tuned_once(small_data: DetectionData, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    seen: list[tuple[int, int]] = []
    first = tune(checkpoint, small_data, 64, HOW, on_step=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert first.steps == 3 and first.imgsz == 64
    content = read_tuned(first.file)
    model = content["model"]
    assert tuple(model.names.values()) == small_data.names
    with threads(1):
        assert validate(model, small_data.select, small_data, 64) == first.score
    monkeypatch.setattr(tuned, "train_proxy", None)
    assert tune(checkpoint, small_data, 64, HOW) == first


@pytest.mark.slow
def test_a_source_from_fresh_weights(small_data: DetectionData) -> None:  # noqa: F811
    found = tune(FreshSource("n"), small_data, 64, HOW)
    assert found.source == "self" and "trained from scratch for 3 steps: mAP50-95" in found.sentence
    begun = build(to_yaml(yolo11("n", 64), small_data.nc), seed=0).state_dict()
    model = read_tuned(found.file)["model"]
    assert tuple(model.names.values()) == small_data.names
    changed = [not torch.equal(value, begun[name]) for name, value in model.state_dict().items() if "conv" in name]
    assert sum(changed) > len(changed) / 2
    assert Tuned.from_dict(found.to_dict()) == found
    assert tune(FreshSource("n"), small_data, 64, HOW) == found


def test_words_of_fresh_sources(checkpoint: Path) -> None:
    assert [find_source(word) for word in ("self", "self-s", "self-m")] == [FreshSource(scale) for scale in SCALES]
    assert [default_steps(find_source(word)) for word in ("self", str(checkpoint))] == [1200, 600]
    assert find_source(str(checkpoint)) == checkpoint
    for word in ("self-x", "self.pt"):
        with pytest.raises(ModelError, match=f"there is no checkpoint {word}"):
            find_source(word)


def test_what_changes_the_tuning_has_a_file_of_its_own(small_data: DetectionData, checkpoint: Path) -> None:  # noqa: F811
    names = {
        tuned.identity(checkpoint, small_data, imgsz, how, steps)
        for imgsz, how, steps in [(64, HOW, 3), (96, HOW, 3), (64, how_to_tune(4, batch=8), 4), (64, HOW, 0)]
    }
    content = torch.load(checkpoint, weights_only=False)
    torch.save({**content, "more": 1}, checkpoint)
    assert len({*names, tuned.identity(checkpoint, small_data, 64, HOW, 3)}) == 5


@pytest.mark.slow
def test_one_that_is_broken_off_goes_on(small_data: DetectionData, checkpoint: Path, cache: Path) -> None:  # noqa: F811
    class Stop(BaseException):
        pass

    def on_step(done: int, _: int) -> None:
        if done == 2:
            raise Stop

    whole = tune(checkpoint, small_data, 64, HOW)
    expected = read_tuned(whole.file)["model"].state_dict()
    whole.file.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuned.StateFile, "__init__", _eager)
        with pytest.raises(Stop):
            tune(checkpoint, small_data, 64, HOW, on_step=on_step)
        seen: list[int] = []
        again = tune(checkpoint, small_data, 64, HOW, on_step=lambda done, _: seen.append(done))
    assert seen == [3] and again == whole
    assert all(
        torch.equal(value, expected[name]) for name, value in read_tuned(again.file)["model"].state_dict().items()
    )
    assert [path.suffix for path in (cache / "sources").iterdir() if path.suffix != ".lock"] == [".pt"]


_plain = tuned.StateFile.__init__


def _eager(self: tuned.StateFile, path: Path) -> None:
    _plain(self, path, every_s=0.0)


@pytest.mark.slow
def test_a_source_of_these_data_is_taken_as_it_is(small_data: DetectionData, checkpoint: Path) -> None:  # noqa: F811
    assert not trained_on(checkpoint, small_data)
    content = torch.load(checkpoint, weights_only=False)
    model = build(to_yaml(yolo11("n", 64, WIDTH), small_data.nc), seed=3)
    model.names = dict(enumerate(small_data.names))
    for data, same in (
        (f"train/data/{small_data.digest}/set/data.yaml", True),
        ("x.yaml", False),
    ):
        torch.save({**content, "model": model, "train_args": {"data": data}}, checkpoint)
        assert trained_on(checkpoint, small_data) is same
    view = f"train/data/{small_data.digest}/set/data.yaml"
    torch.save({**content, "model": model, "train_args": {"data": view}}, checkpoint)
    found = tune(checkpoint, small_data, 64, HOW)
    assert found.steps == 0 and "flatter the source" in found.sentence
    kept, given = read_tuned(found.file)["model"].state_dict(), model.state_dict()
    weights = [name for name in given if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(kept[name], given[name]) for name in weights)


@pytest.mark.slow
def test_a_design_begins_with_it(small_data: DetectionData, checkpoint: Path) -> None:  # noqa: F811
    found = tune(checkpoint, small_data, 64, HOW)
    same = build(to_yaml(yolo11("n", 64, WIDTH), small_data.nc), seed=9)
    assert begin(same, found.file, small_data, 64) == 1.0
    with threads(1):
        score = validate(same, small_data.select, small_data, 64)
    assert score.map50_95 == pytest.approx(found.score.map50_95, abs=0.01)
    twice = [build(to_yaml(yolo11("n", 64, 0.0625), small_data.nc), seed=seed) for seed in (1, 2)]
    for model in twice:
        begin(model, found.file, small_data, 64)
    first, second = (model.state_dict() for model in twice)
    assert all(torch.equal(value, second[name]) for name, value in first.items())  # nothing of its own is left


@pytest.mark.slow
def test_stages_of_another_family_are_taught_when_asked(small_data: DetectionData, checkpoint: Path) -> None:  # noqa: F811
    found = tune(checkpoint, small_data, 64, HOW)
    narrow = yolo11("n", 64, 0.0625)
    stages = (*narrow.stages[:2], replace(narrow.stages[2], block="ghost", expansion=2.0), narrow.stages[3])
    design, passed = replace(narrow, stages=stages).canonical(), Gate()
    begun = [build(to_yaml(design, small_data.nc), seed=1) for _ in range(3)]
    for model, steps in zip(begun, (0, 2, 2), strict=True):
        begin(model, found.file, small_data, 64, steps, passed)
    alone, taught, again = (model.state_dict() for model in begun)
    assert all(torch.equal(value, again[name]) for name, value in taught.items())
    changed = {name.split(".")[1] for name, value in taught.items() if not torch.equal(value, alone[name])}
    assert "6" in changed  # the row of the ghost stage
    assert passed.times == 3 * 2 + 2 * (2 + 2)


class Gate:
    """A machine lock that counts."""

    times = 0

    @contextmanager
    def training(self) -> Iterator[None]:
        self.times += 1
        yield


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.pt cannot be read .* tunes the source again"):
        read_tuned(tmp_path / "nowhere.pt")
