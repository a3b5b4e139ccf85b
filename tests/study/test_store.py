"""The stored study refuses what it must and loses nothing."""

import random
import resource
import shutil
import sqlite3
from pathlib import Path

import pytest

from nas.errors import StorageError, StudyError
from nas.search.evaluate import Task
from nas.space.space import SearchSpace
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy, read_records
from tests.search.conftest import changed, formula


def test_another_search_under_the_same_name_is_refused_by_setting(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    StoredStudy(tmp_path, settings, sizes).close()
    with pytest.raises(StudyError, match=r"target_ms: 2\.5 there, 3\.0 asked; seed: 0 there, 1 asked"):
        StoredStudy(tmp_path, changed(settings, target_ms=3.0, seed=1), sizes)
    StoredStudy(tmp_path, settings, sizes).close()


def test_two_processes_cannot_write_one_study(tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    with pytest.raises(StudyError, match="in use by another ghostnas search"):
        StoredStudy(tmp_path, settings, sizes)
    study.close()


@pytest.mark.parametrize("rubbish", [b"this is no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_study_is_kept_aside(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], rubbish: bytes
) -> None:
    (tmp_path / "study.db").write_bytes(rubbish)
    with pytest.raises(StudyError, match=r"is corrupt.*kept aside as study\.db\.corrupt-"):
        StoredStudy(tmp_path, settings, sizes)
    (aside,) = tmp_path.glob("study.db.corrupt-*")
    assert aside.read_bytes() == rubbish
    StoredStudy(tmp_path, settings, sizes).close()


def test_a_study_without_trials_can_be_discarded(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], space: SearchSpace
) -> None:
    folder = tmp_path / "new"
    study = StoredStudy(folder, settings, sizes)
    study.discard()
    study.close()
    assert not folder.exists()

    kept = StoredStudy(folder, settings, sizes)
    (folder / "notes.txt").write_text("of its owner")
    kept.discard()
    kept.close()
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "notes.txt"]

    begun = StoredStudy(folder, settings, sizes)
    indices = space.sample(random.Random(0))
    begun.start(indices, space.decode(indices).key, "random")
    begun.discard()
    begun.close()
    assert len(read_records(folder)[1]) == 1


def test_records_come_back_as_they_were_stored(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], space: SearchSpace, task: Task
) -> None:
    study = StoredStudy(tmp_path, settings, sizes)
    indices = space.sample(random.Random(0))
    architecture = space.decode(indices)
    number = study.start(indices, architecture.key, "random")
    assert study.records()[number].status == "running"
    evaluation = formula(architecture, task, always_train=True)
    study.finish(number, evaluation)
    study.close()
    stored, (record,), baselines = read_records(tmp_path)
    assert stored == settings and baselines == []
    assert record.evaluation == evaluation
    assert record.indices == indices and record.key == architecture.key


def test_default_names_differ_whenever_a_setting_does(settings: SearchSettings) -> None:
    others = [changed(settings, seed=1), changed(settings, target_ms=2.51), changed(settings, imgsz=(96,))]
    assert len({s.default_name for s in [settings, *others]}) == 4
    assert SearchSettings.from_dict(settings.to_dict()) == settings


def test_a_folder_without_a_study_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        read_records(tmp_path)


def test_a_study_that_another_process_sees_is_whole(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    def killed(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(optuna, "create_study", killed)
        with pytest.raises(KeyboardInterrupt):
            StoredStudy(tmp_path, settings, sizes)
    with pytest.raises(StudyError, match="holds no study"):
        read_records(tmp_path)
    StoredStudy(tmp_path, settings, sizes).close()
    assert read_records(tmp_path) == (settings, [], [])


def test_an_empty_database_is_no_study_and_is_left_alone(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]
) -> None:
    (tmp_path / "study.db").touch()
    for _ in range(2):  # the refused study is unlocked again
        with pytest.raises(StudyError, match="holds no search"):
            StoredStudy(tmp_path, settings, sizes)
    with pytest.raises(StudyError, match="holds no search"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            "UPDATE study_user_attributes SET value_json = json_set(value_json, '$.newer', 1) WHERE key = 'settings'",
            "newer",
        ),
        ("DELETE FROM study_user_attributes WHERE key = 'settings'", "holds no search"),
        ("UPDATE alembic_version SET version_num = 'v9.9.a'", "optuna version"),
    ],
)
def test_a_study_of_another_version_is_told_and_left_alone(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], change: str, why: str
) -> None:
    StoredStudy(tmp_path, settings, sizes).close()
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute(change)
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(StudyError, match=f"cannot be read as a ghostnas study.*{why}"):
        StoredStudy(tmp_path, settings, sizes)
    with pytest.raises(StudyError, match=f"cannot be read as a ghostnas study.*{why}"):
        read_records(tmp_path)
    assert (tmp_path / "study.db").read_bytes() == before


def test_a_study_that_another_program_locks_is_not_taken_for_corrupt(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    StoredStudy(tmp_path, settings, sizes).close()
    connect = sqlite3.connect
    monkeypatch.setattr(
        "nas.study.study_file.sqlite3.connect", lambda path, timeout, **how: connect(path, timeout=0.1, **how)
    )
    with connect(tmp_path / "study.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyError, match=r"study.db cannot be opened: database is locked"):
            StoredStudy(tmp_path, settings, sizes)
        other.execute("ROLLBACK")
    assert {path.name for path in tmp_path.iterdir()} == {"study.db", ".lock"}
    StoredStudy(tmp_path, settings, sizes).close()


def test_a_study_that_cannot_be_made_is_told(tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # as a disk that is full
    try:
        with pytest.raises(StorageError, match=r"study.db cannot be written: .*disk"):
            StoredStudy(tmp_path, settings, sizes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    StoredStudy(tmp_path, settings, sizes).close()  # neither the lock nor half a file is in the way


def test_a_results_folder_that_is_copied_while_a_search_runs_goes_on_by_itself(
    tmp_path: Path, settings: SearchSettings, sizes: dict[str, int], space: SearchSpace, task: Task
) -> None:
    rng, folder, copy = random.Random(0), tmp_path / "search", tmp_path / "copy"
    first, second = space.sample(rng), space.sample(rng)
    study = StoredStudy(folder, settings, sizes)
    done = study.finish(
        study.start(first, space.decode(first).key, "random"), formula(space.decode(first), task, always_train=True)
    )
    running = study.start(second, space.decode(second).key, "random")
    shutil.copytree(folder, copy)

    copied = StoredStudy(copy, settings, sizes)
    assert copied.records()[0] == done
    assert [one.number for one in copied.orphans()] == [running]
    again = copied.start(second, space.decode(second).key, "random", retry_of=running)
    copied.finish(again, formula(space.decode(second), task, always_train=True))
    copied.close()

    study.finish(running, formula(space.decode(second), task, always_train=True))
    study.close()
    assert [one.status for one in read_records(folder)[1]] == ["trained", "trained"]
    assert [one.status for one in read_records(copy)[1]] == ["trained", "interrupted", "trained"]
