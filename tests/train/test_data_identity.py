"""A run's data is known by an absolute path and a digest, and compared wherever the run is used from elsewhere."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nas.data import load
from nas.data.synthetic.embedded import write_set
from nas.data.training_view import write_view
from nas.errors import DataChanged, DataError
from nas.latency import LatencyDevice, LatencySettings
from nas.proxy import ProxySettings
from nas.results.designs import find_design
from nas.search.evaluate import Task, data_of
from nas.study.limits import Limits
from nas.train.arguments import complete, data_to_train_on

Record = Callable[[object], Path]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of a test's own, which it may spoil."""
    (tmp_path / "cells").mkdir()
    write_set(tmp_path / "cells", {"train": 8, "val": 4}, seed=5)
    return tmp_path / "cells" / "data.yaml"


@pytest.fixture
def run(results: Path, data: Path, tmp_path: Path) -> Record:
    """A copy of a run whose `run.json` says that its data was this."""

    def make(said: object) -> Path:
        folder = tmp_path / "results" / "mine"
        shutil.copytree(results / "small", folder, dirs_exist_ok=True)
        known = json.loads((folder / "run.json").read_text())
        known["settings"]["data_digest"] = load(str(data)).digest
        (folder / "run.json").write_text(json.dumps({**known, "data_yaml": said}))
        return folder

    return make


def trained_on(run: Path, **arguments: object) -> Path:
    """The data YAML that `ghostnas train RUN` would train on."""
    return data_to_train_on(complete(find_design(str(run)), arguments)).source


def other_set(folder: Path) -> Path:
    """Another project's data under the same relative path."""
    (folder / "cells").mkdir(parents=True)
    write_set(folder / "cells", {"train": 8, "val": 4}, seed=6)
    return folder / "cells" / "data.yaml"


def test_a_run_trains_on_its_own_data_wherever_it_is_called(
    run: Record, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_set(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert trained_on(run(str(data))) == data


def test_a_relative_path_that_means_other_data_here_is_refused(
    run: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_set(tmp_path / "elsewhere")
    folder = run("cells/data.yaml")
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"holds other pictures, labels or class names .*name what to train on"):
        trained_on(folder)
    assert trained_on(folder, data=str(other)) == other  # who names data means it


def test_data_that_changed_since_the_search_is_refused(run: Record, data: Path) -> None:
    folder = run(str(data))
    assert trained_on(folder) == data
    label = next((data.parent / "labels" / "train").iterdir())
    label.write_text("0 0.5 0.5 0.1 0.1\n")
    data.touch()
    with pytest.raises(DataError, match=f"{data} holds other pictures"):
        trained_on(folder)


def _renamed_class(cells: Path) -> None:
    file = cells / "data.yaml"
    file.write_text(file.read_text().replace("names: [", "names: [the ").replace("0: ", "0: the "))


def _other_set_in_its_place(cells: Path) -> None:
    shutil.rmtree(cells)
    other_set(cells.parent)


def _val_among_train(cells: Path) -> None:
    for kind in ("images", "labels"):
        file = min((cells / kind / "val").iterdir())
        file.rename(cells / kind / "train" / f"moved{file.suffix}")


def _linked_elsewhere(cells: Path) -> None:
    other_set(cells.parent / "store")
    cells.rename(cells.parent / "before")
    cells.symlink_to("store/cells")


@pytest.mark.parametrize("change", [_renamed_class, _other_set_in_its_place, _val_among_train, _linked_elsewhere])
def test_another_set_under_the_runs_path_is_refused(run: Record, data: Path, change: Callable[[Path], None]) -> None:
    folder = run(str(data))
    change(data.parent)
    with pytest.raises(DataError, match=f"{data} holds other pictures, labels or class names"):
        trained_on(folder)


def test_data_that_moved_away_is_asked_for(run: Record, data: Path) -> None:
    folder = run(str(data))
    moved = data.parent.rename(data.parent.with_name("moved")) / data.name
    with pytest.raises(DataError, match=f"there is no data YAML {data}"):
        trained_on(folder)
    assert trained_on(folder, data=str(moved)) == moved


def test_data_that_changes_while_a_search_runs_is_noticed(data: Path, tmp_path: Path) -> None:
    digest = load(str(data)).digest
    task = Task(Limits(2.5), LatencyDevice(LatencySettings()), ProxySettings(), str(data), 1.0, 6, tmp_path, digest)
    assert data_of(task).digest == digest
    assert data_of(replace(task, data_digest=None)).digest == digest
    label = next((data.parent / "labels" / "val").iterdir())
    label.unlink()
    data.touch()
    with pytest.raises(DataChanged, match="was changed while the search ran"):
        data_of(task)


def test_a_training_that_goes_on_refuses_pictures_that_were_exchanged(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.train import arguments

    view = write_view(load(str(data)), tmp_path / "project" / "data")
    last = tmp_path / "project" / "first" / "weights" / "last.pt"
    last.parent.mkdir(parents=True)
    last.touch()
    known = {"data": str(view), "save_dir": str(last.parents[1]), "epochs": 3}
    monkeypatch.setattr(arguments, "resumable", lambda path: known)
    design = find_design(str(last))
    assert data_to_train_on(complete(design, {"resume": True})).digest == load(str(data)).digest
    pictures = sorted((data.parent / "images" / "train").iterdir())
    shutil.copy(pictures[0], pictures[1])
    view.touch()
    with pytest.raises(DataError, match="holds other pictures, labels or class names"):
        data_to_train_on(complete(design, {"resume": True}))
