"""A bare name is looked for here and in Ultralytics' weights folder; nothing is downloaded."""

import json
from pathlib import Path

import pytest

from nas.errors import ModelError
from nas.model.known_checkpoints import checkpoint_at_hand, find_checkpoint, hint
from nas.util import ultralytics_env


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's settings of Ultralytics, whose weights folder is elsewhere."""
    config, weights, here = tmp_path / "config", tmp_path / "weights", tmp_path / "here"
    for folder in (config / "Ultralytics", weights, here):
        folder.mkdir(parents=True)
    (config / "Ultralytics" / "settings.json").write_text(json.dumps({"weights_dir": str(weights)}))
    monkeypatch.setenv(ultralytics_env.USERS_CONFIG, str(config))
    monkeypatch.chdir(here)
    return weights


def test_here_comes_before_the_weights_folder(weights: Path) -> None:
    name = Path("yolo11n.pt")
    with pytest.raises(ModelError, match=r"no checkpoint yolo11n\.pt here or in .*weights, nothing is downloaded: get"):
        find_checkpoint(name)
    assert checkpoint_at_hand() is None
    (weights / name).touch()
    assert find_checkpoint(name) == weights / name == checkpoint_at_hand()
    assert f"{weights / name} is at hand: `--from yolo11n.pt`" in hint(weights / name)
    name.touch()
    assert find_checkpoint(name) == name == checkpoint_at_hand()


def test_a_path_is_taken_as_it_stands(weights: Path) -> None:
    (weights / "mine.pt").touch()
    assert find_checkpoint(weights / "mine.pt") == weights / "mine.pt"
    with pytest.raises(ModelError, match=r"there is no checkpoint sub/mine\.pt, nothing is downloaded; give the path"):
        find_checkpoint(Path("sub/mine.pt"))
    with pytest.raises(ModelError, match="there is no checkpoint"):
        find_checkpoint(Path("x" * 300 + ".pt"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weights_dir": 3}'])
def test_settings_that_say_nothing_mean_the_default(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config" / "Ultralytics" / "settings.json").write_text(content)
    Path("weights").mkdir()
    Path("weights/mine.pt").touch()
    assert find_checkpoint(Path("mine.pt")) == Path("weights/mine.pt")


def test_the_user_s_settings_stay_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ultralytics_env.USERS_CONFIG)
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "weights" / "yolo11s.pt").touch()
    for _ in range(2):  # idempotent
        ultralytics_env.prepare()
        assert find_checkpoint(Path("yolo11s.pt")) == tmp_path / "weights" / "yolo11s.pt"
