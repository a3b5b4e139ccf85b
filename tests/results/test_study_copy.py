"""A study moves between a results folder and a database, with its notes; every command finds it in either place."""

import errno
import json
import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main
from nas.errors import StudyError
from nas.study.location import STORAGE_FILE, storage_of
from nas.study.postgres import PostgresDatabase
from nas.study.storage import PARTS, SEARCH, StudyStorage, close_storage
from nas.study.store import StoredStudy, opened_storage, read_kept, read_records
from tests.postgres_server import ENCODED, PASSWORD, PostgresServer
from tests.trained_run import SETTINGS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ghostnas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in this process, in an empty folder; returns its exit code, its output and its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ghostnas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def small(tmp_path: Path, results: Path) -> Path:
    """A copy of the finished run `small`; its study has notes, a rejected trial, and values that are kept."""
    run = tmp_path / "results" / "small"
    shutil.copytree(results / "small", run)
    study = StoredStudy(run, SETTINGS, {"x": 2})
    study.keep("repeats", {"trial-0": {"1": 0.25}})
    study.start({"x": 1}, "killed", "random")
    study.close()
    return run


def contents(place: StudyStorage) -> dict[str, object]:
    """What a study says, notes included, without the ids of its trials."""
    from optuna_dashboard import _note as theirs

    storage, studies = opened_storage(place)
    said: dict[str, object] = {"kept": studies[SEARCH].user_attrs}
    for part in PARTS:
        attributes = storage.get_study_system_attrs(studies[part]._study_id)
        said[f"{part} names"] = studies[part].metric_names
        for trial in studies[part].get_trials():
            note = theirs.get_note_from_system_attrs(attributes, trial._trial_id)
            said[f"{part} {trial.number}"] = (
                *(trial.state, trial.values, trial.params, trial.user_attrs, trial.system_attrs),
                *(trial.datetime_start, trial.datetime_complete, note["body"]),
            )
    close_storage(storage)
    return said


@pytest.mark.slow
def test_there_and_back_nothing_is_lost(ghostnas: Run, small: Path, database: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="the extra `dashboard` is not installed")
    other = PostgresDatabase(database, "another")
    StoredStudy(tmp_path / "another", SETTINGS, {"x": 2}, storage=other).close()  # its ids come first
    before, records = contents(storage_of(small)), read_records(small)

    code, said, errors = ghostnas("study", "copy", "small", database)
    assert code == 0, errors
    assert said.startswith("3 candidates and 1 baselines: results/small/study.db -> small in postgresql://ghost@127")
    assert ENCODED not in said and PASSWORD not in said
    assert not (small / "study.db").exists() and len(list(small.glob("study.db.copied-*"))) == 1
    assert contents(storage_of(small)) == before and read_records(small) == records
    assert read_kept(storage_of(small))["repeats"] == {"trial-0": {"1": 0.25}}

    study = StoredStudy(small, SETTINGS, {"x": 2})  # it goes on in the database
    study.orphans()
    study.close()
    now = contents(storage_of(small))
    code, said, errors = ghostnas("study", "copy", database, "small")
    assert code == 0 and "the study in the database stays there" in said, errors
    assert (small / "study.db").is_file() and not (small / STORAGE_FILE).exists()
    assert contents(storage_of(small)) == now and now != before

    code, said, errors = ghostnas("study", "copy", database, tmp_path / "elsewhere", "--name", "small")
    assert code == 0 and contents(storage_of(tmp_path / "elsewhere")) == now, errors


def test_every_command_finds_it_in_the_database(
    ghostnas: Run, small: Path, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ghostnas("study", "copy", "small", database)[0] == 0
    (small / "run.json").rename(small / "run.json.away")  # the folder is a run by its memory alone
    code, said, errors = ghostnas("status")
    assert code == 0 and "1 trained, 1 rejected, 0 failed, highest score 0.123" in said, errors
    code, said, errors = ghostnas("status", "small")
    assert code == 0 and "small: not running" in said and "study          small in postgresql://ghost@127" in said
    assert "1 trained, 1 rejected, 0 failed, 1 running" in said and PASSWORD not in said and ENCODED not in said
    (small / "run.json.away").rename(small / "run.json")
    assert ghostnas("export", "small", "--to", "bundle")[0] == 0

    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    code, _, errors = ghostnas("status", "small")
    assert code == 2 and "set PGPASSWORD, or write it into ~/.pgpass" in errors and errors.count("\n") == 1
    (tmp_path / "results" / "other").mkdir()
    shutil.copy(small / STORAGE_FILE, tmp_path / "results" / "other")
    asked: list[str] = []
    real = PostgresDatabase.exists
    monkeypatch.setattr(PostgresDatabase, "exists", lambda self: asked.append(self.name) or real(self))
    code, said, errors = ghostnas("status")  # every run is listed, and the database is asked once
    assert code == 0 and said.count("cannot be reached") == 2 and len(asked) == 1, errors


@pytest.mark.slow
def test_the_dashboard_shows_it(small: Path, ghostnas: Run, database: str) -> None:
    pytest.importorskip("optuna_dashboard", reason="the extra `dashboard` is not installed")
    import threading

    from nas.results.dashboard import server

    assert ghostnas("study", "copy", "small", database)[0] == 0
    with server(small, "127.0.0.1", 0) as bound:
        thread = threading.Thread(target=bound.serve_forever)
        thread.start()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{bound.server_port}/api/studies", timeout=20) as answer:
                found = json.load(answer)["study_summaries"]
        finally:
            bound.shutdown()
            thread.join()
    assert {one["study_name"] for one in found} == {"small/search", "small/baselines"}


def test_what_cannot_be_copied_is_said_in_one_line(
    ghostnas: Run, small: Path, database: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    hidden = "postgresql://me:hush@host/db"
    for arguments, says in (
        (("small", "small"), "one of FROM and TO is a run's name or results folder"),
        ((hidden, hidden), "one of FROM and TO is a run's name or results folder"),
        (("small", "mysql://me:hush@host/db"), "is no such address"),
        (("smal", database), "did you mean 'small'"),
        ((hidden, "small", hidden), "unexpected extra argument"),
        ((database, "new"), "there is no study new in postgresql://ghost@127"),
    ):
        code, _, errors = ghostnas("study", "copy", *arguments)
        assert code == 2 and says in errors and "Traceback" not in errors and errors.count("\n") == 1, errors
        assert "hush" not in errors and ENCODED not in errors
    for command in ("status", "report", "train", "dashboard"):
        code, _, errors = ghostnas(command, hidden)
        assert code == 2 and "postgresql://me:***@host/db" in errors and "hush" not in errors, errors
    assert not (tmp_path / "results" / "new").exists()

    study = StoredStudy(small, SETTINGS, {"x": 2})
    code, _, errors = ghostnas("study", "copy", "small", database)
    assert code == 2 and "is in use by another ghostnas search" in errors
    study.close()
    assert ghostnas("study", "copy", "small", database)[0] == 0
    code, _, errors = ghostnas("study", "copy", "small", database)
    assert code == 2 and "there is a study small in postgresql://ghost@127" in errors
    code, _, errors = ghostnas("study", "copy", postgres.new_database(), "small")
    assert code == 2 and "choose another folder" in errors
    (small / "unwritten.json").write_text("{}")
    for arguments in (("small", postgres.new_database()), (database, "small")):
        code, _, errors = ghostnas("study", "copy", *arguments)
        assert code == 2 and "run the search once, which writes them, or delete" in errors and errors.count("\n") == 1


def test_a_search_without_an_answer_from_the_database_writes_nothing(ghostnas: Run, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    code, _, errors = ghostnas(
        *("search", "--workers", "0", "--space", "ghostv2-n", "--name", "mine"),
        *("--storage", "postgresql://me:hush@127.0.0.1:1/db"),
    )
    assert code == 2 and "the study in postgresql://me@127.0.0.1:1/db cannot be reached" in errors
    assert "hush" not in errors and "Traceback" not in errors and errors.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_copy_that_fails_leaves_all_as_it_was(
    ghostnas: Run, small: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna
    from psycopg import OperationalError

    before = read_records(small)

    def fails(*_: object) -> None:
        raise optuna.exceptions.StorageInternalError("lost") from OperationalError("the server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "add_trials", fails)
        code, _, errors = ghostnas("study", "copy", "small", database)
    assert code == 2 and "small in postgresql://ghost@127" in errors and "the server closed the connection" in errors
    assert not (small / STORAGE_FILE).exists() and read_records(small) == before
    real = optuna.storages.RDBStorage._create_new_trial
    with monkeypatch.context() as patched:
        patched.setattr(optuna.storages.RDBStorage, "_create_new_trial", lambda *given: (real(*given), real(*given))[1])
        code, _, errors = ghostnas("study", "copy", "small", database)
    assert code == 2 and "a trial was stored twice" in errors and read_records(small) == before
    with pytest.raises(StudyError, match="there is no study"):
        from nas.study.copying import copy_study
        from nas.study.study_file import StudyFile

        copy_study(PostgresDatabase(database, "small"), StudyFile(small))
    assert ghostnas("study", "copy", "small", database)[0] == 0
    assert read_records(small) == before


@pytest.mark.parametrize("fails", ["folder", "note", "rename"])
def test_where_the_folder_cannot_use_the_copy_there_is_none(
    ghostnas: Run, small: Path, database: str, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    before = read_records(small)
    full = OSError(errno.ENOSPC, "No space left on device")
    real_open, real_rename = Path.open, Path.rename

    def opened(path: Path, mode: str = "r", *more: object, **options: object) -> object:
        if "w" in mode and path.parent == small and (fails == "folder" or STORAGE_FILE in path.name):
            raise full
        return real_open(path, mode, *more, **options)  # type: ignore[call-overload]

    def renamed(path: Path, target: Path) -> Path:
        if path.name == "study.db":
            raise full
        return real_rename(path, target)

    small = small.relative_to(Path.cwd())
    with monkeypatch.context() as patched:
        if fails == "rename":
            patched.setattr(Path, "rename", renamed)
        else:
            patched.setattr(Path, "open", opened)
        code, _, errors = ghostnas("study", "copy", small, database)
    assert code == 2 and "No space left" in errors and "Traceback" not in errors and errors.count("\n") == 1, errors
    assert not PostgresDatabase(database, "small").exists()
    assert not (small / STORAGE_FILE).exists() and read_records(small) == before
    code, _, errors = ghostnas("study", "copy", small, database)
    assert code == 0 and read_records(small) == before, errors


def test_the_folder_one_is_in_has_a_name(
    ghostnas: Run, small: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small)
    code, said, errors = ghostnas("study", "copy", ".", database)
    assert code == 0 and "-> small in postgresql" in said, errors
    shutil.copytree(small, small.with_name("another"))
    monkeypatch.chdir(small.with_name("another"))
    code, _, errors = ghostnas("study", "copy", f"{database}?sslmode=prefer", ".")  # the same database
    assert code == 0 and (small.with_name("another") / "study.db").is_file(), errors


@pytest.mark.slow
def test_a_search_that_began_before_the_study_moved_does_not_begin_another(
    ghostnas: Run, small: Path, database: str
) -> None:
    before = storage_of(small)
    assert ghostnas("study", "copy", "small", database)[0] == 0
    with pytest.raises(StudyError, match=r"is small in postgresql://ghost@127.* by now; run the same command again"):
        StoredStudy(small, SETTINGS, {"x": 2}, storage=before)
    assert not (small / "study.db").exists()
    before = storage_of(small)
    assert ghostnas("study", "copy", database, "small")[0] == 0
    with pytest.raises(StudyError, match=r"is its study\.db"):
        StoredStudy(small, SETTINGS, {"x": 2}, storage=before)
    assert not (small / STORAGE_FILE).exists()


def test_a_source_that_stops_answering_is_named(
    ghostnas: Run, small: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna
    from psycopg import OperationalError

    def fails(*_: object) -> None:
        raise optuna.exceptions.StorageInternalError("lost") from OperationalError("the server closed the connection")

    monkeypatch.setattr("nas.study.copying.system_attributes", fails)
    code, _, errors = ghostnas("study", "copy", "small", database)
    assert code == 2 and "study.db cannot be read: the server closed the connection" in errors
    assert errors.count("\n") == 1
