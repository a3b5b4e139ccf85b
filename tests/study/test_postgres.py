"""A study in PostgreSQL: stored, locked, retried and found again as one in a file, and no password is shown."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.errors import StorageError, StudyError, UsageError
from nas.search.evaluate import Task
from nas.space.space import SearchSpace
from nas.study.location import STORAGE_FILE, storage_of
from nas.study.postgres import PostgresDatabase
from nas.study.postgres_connection import check_url
from nas.study.settings import SearchSettings
from nas.study.storage import ConnectionLost, close_storage
from nas.study.store import StoredStudy, read_kept, read_records
from tests.postgres_server import ENCODED, PASSWORD, PostgresServer
from tests.search.conftest import changed, formula
from tests.trained_run import environment

Open = Callable[..., StoredStudy]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "parts"


@pytest.fixture
def opened(folder: Path, database: str, settings: SearchSettings, sizes: dict[str, int]) -> Open:
    """Opens the study of a folder, by default `folder`, in the database."""

    def open_study(where: Path = folder, **more: object) -> StoredStudy:
        values = {"settings": settings, **more}
        return StoredStudy(where, sizes=sizes, storage=storage_of(where, database), **values)  # type: ignore[arg-type]

    return open_study


def evaluated(study: StoredStudy, space: SearchSpace, task: Task, seed: int) -> int:
    """Store a trial of a study; returns its number."""
    indices = space.sample(random.Random(seed))
    architecture = space.decode(indices)
    number = study.start(indices, architecture.key, "random")
    study.finish(number, formula(architecture, task, always_train=True))
    return number


def test_a_study_is_found_again_by_its_folder_and_elsewhere(
    folder: Path,
    tmp_path: Path,
    database: str,
    opened: Open,
    space: SearchSpace,
    task: Task,
    settings: SearchSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = opened()
    evaluated(study, space, task, 1)
    study.keep("repeats", {"trial-0": {"1": 0.5}})
    known = study.records()
    study.close()
    assert {path.name for path in folder.iterdir()} == {STORAGE_FILE}
    assert PASSWORD not in (folder / STORAGE_FILE).read_text() and ENCODED not in (folder / STORAGE_FILE).read_text()

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert read_records(folder) == (settings, known, [])
    assert read_kept(storage_of(folder))["repeats"] == {"trial-0": {"1": 0.5}}
    moved = folder.rename(tmp_path / "renamed")  # it remembers the study's name too
    assert read_records(moved)[1] == known

    elsewhere = tmp_path / "elsewhere" / "parts"
    study = opened(elsewhere)
    assert study.records() == known and study.repeats() == {"trial-0": {"1": 0.5}}
    assert evaluated(study, space, task, 2) == 1
    study.close()
    assert [record.status for record in read_records(moved)[1]] == ["trained", "trained"]


def test_another_search_and_another_database_are_refused(
    folder: Path,
    opened: Open,
    database: str,
    settings: SearchSettings,
    sizes: dict[str, int],
    postgres: PostgresServer,
    tmp_path: Path,
) -> None:
    opened().close()
    with pytest.raises(StudyError, match=r"seed: 0 there, 1 asked"):
        opened(settings=changed(settings, seed=1))
    with pytest.raises(
        StudyError, match=r"the study of .*parts is parts in postgresql://ghost@127.*, not in postgresql.*change \"stor"
    ):
        storage_of(folder, postgres.new_database())
    assert storage_of(folder, f"{database}?sslmode=prefer").label.endswith("sslmode=prefer")  # the same database
    in_file = tmp_path / "file"
    StoredStudy(in_file, settings, sizes).close()
    with pytest.raises(StudyError, match=r"is its study\.db; move it with: ghostnas study copy") as told:
        storage_of(in_file, postgres.url())
    assert ENCODED not in str(told.value)
    (folder / "study.db").touch()
    with pytest.raises(StudyError, match=r"has both study\.db and storage\.json"):
        storage_of(folder)


@pytest.mark.slow
def test_one_database_holds_many_searches(
    tmp_path: Path, opened: Open, settings: SearchSettings, space: SearchSpace, task: Task
) -> None:
    first, second = opened(tmp_path / "a"), opened(tmp_path / "b", settings=changed(settings, seed=1))
    evaluated(first, space, task, 1)
    assert second.records() == []
    second.discard()
    second.close()
    assert not (tmp_path / "b").exists() and len(first.records()) == 1
    first.discard()  # it has a trial
    first.close()
    again = opened(tmp_path / "a")
    assert len(again.records()) == 1
    again.close()


def test_the_second_driver_is_refused_until_the_first_ends(opened: Open, tmp_path: Path, folder: Path) -> None:
    study = opened()
    place = study._place
    assert place.in_use()
    for where in (folder, tmp_path / "other" / "parts"):
        with pytest.raises(StudyError, match=r"parts in postgresql://ghost@127.* is in use by another ghostnas search"):
            opened(where)
    study.close()
    assert not place.in_use()
    opened().close()


@pytest.mark.slow
def test_a_killed_driver_leaves_no_lock_and_its_trial_is_repeated(
    opened: Open, folder: Path, database: str, space: SearchSpace, task: Task
) -> None:
    opened().close()
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from nas.study import StoredStudy, read_records, storage_of\n"
        "from nas.space import load_space\n"
        "import random\n"
        "folder = Path(sys.argv[1]); space = load_space('ghostv2-n')\n"
        "place = storage_of(folder, sys.argv[2])\n"
        "import nas.study.store as store\n"
        "settings = store._open(place)[1].settings\n"
        "study = StoredStudy(folder, settings, {d.name: len(d.choices) for d in space.dimensions}, storage=place)\n"
        "indices = space.sample(random.Random(0))\n"
        "study.start(indices, space.decode(indices).key, 'random')\n"
        "print('running', flush=True)\n"
        "time.sleep(100)\n"
    )
    root = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", script, str(folder), database]
    with subprocess.Popen(command, env=environment(PYTHONPATH=root), stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == "running\n"
        with pytest.raises(StudyError, match="in use"):
            opened()
        driver.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while storage_of(folder, database).in_use():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    study = opened()
    (orphan,) = study.orphans()
    assert orphan.status == "interrupted" and orphan.indices == space.sample(random.Random(0))
    study.close()


def test_a_study_half_made_is_none_and_is_made_anew(
    opened: Open, folder: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "set_user_attr", killed)
        with pytest.raises(KeyboardInterrupt):
            opened()
    place = storage_of(folder, database)
    assert not place.exists() and not place.in_use() and read_kept(place) == {}
    opened().close()
    assert place.exists()


@pytest.mark.slow
def test_idle_sessions_that_the_server_ends_are_replaced(
    opened: Open, space: SearchSpace, task: Task, postgres: PostgresServer
) -> None:
    told: list[str] = []
    study = opened(notice=told.append)
    for seed in range(3):
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'ghostnas' AND pid <> pg_backend_pid()"
        )
        assert evaluated(study, space, task, seed) == seed
    assert told == [] and study._place.in_use()
    with pytest.raises(StudyError, match="in use"):
        opened()
    study.close()


@pytest.mark.slow
def test_a_write_waits_for_a_server_that_was_killed(
    opened: Open, folder: Path, database: str, space: SearchSpace, task: Task, postgres: PostgresServer
) -> None:
    told: list[str] = []
    study = opened(notice=told.append)
    evaluated(study, space, task, 0)
    postgres.stop(signal.SIGKILL)
    back = threading.Timer(2.0, postgres.start)
    back.start()
    try:
        assert evaluated(study, space, task, 1) == 1
    finally:
        back.join()
    assert len(told) == 2 and "does not answer" in told[0] and told[1].endswith("answers again")
    assert ENCODED not in told[0] and PASSWORD not in told[0]
    study.close()
    again = opened()
    assert [record.status for record in again.records()] == ["trained", "trained"]
    again.close()


@pytest.mark.slow
def test_a_server_that_stays_away_ends_the_search_and_loses_nothing(
    opened: Open, space: SearchSpace, task: Task, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.postgres.RETRY_TIMEOUT_S", 1.0)
    study = opened()
    evaluated(study, space, task, 0)
    postgres.stop()
    try:
        with pytest.raises(StorageError, match=r"cannot be written: .*refused.*the same command goes on"):
            evaluated(study, space, task, 1)
        with pytest.raises(StudyError, match=r"in postgresql://ghost@127\.0\.0\.1:\d+/ghost\d+ cannot be reached"):
            opened()
    finally:
        postgres.start()
    study.close()
    again = opened()
    assert [record.status for record in again.records()] == ["trained"]
    again.close()


@pytest.mark.parametrize("content", ["", '{"writer": "a", "evaluations": {"search": {"0": {}}}, "kept": {}}'])
def test_unwritten_results_that_cannot_be_read_are_said_so(opened: Open, folder: Path, content: str) -> None:
    opened().close()
    (folder / "unwritten.json").write_text(content)
    with pytest.raises(StudyError, match=r"unwritten\.json, which holds .* cannot be read: .*; where you delete it"):
        opened()
    (folder / "unwritten.json").unlink()
    opened().close()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_results_that_could_not_be_written_are_written_when_the_search_goes_on(
    opened: Open,
    folder: Path,
    tmp_path: Path,
    space: SearchSpace,
    task: Task,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: bool,
) -> None:
    monkeypatch.setattr("nas.study.postgres.RETRY_TIMEOUT_S", 1.0)
    told: list[str] = []
    study = opened(notice=told.append)
    points = [space.sample(random.Random(seed)) for seed in range(3)]
    designs = [space.decode(point) for point in points]
    numbers = [study.start(point, design.key, "random") for point, design in zip(points, designs, strict=True)]
    study.keep("repeats", {"trial-0": {"1": 0.5}})
    found = [formula(design, task, always_train=True) for design in designs]
    postgres.stop()
    try:
        with pytest.raises(StorageError, match="the same command goes on"):
            study.finish(numbers[0], found[0])
        with pytest.raises(StorageError):
            study.finish(numbers[1], found[1])  # another worker's, which ended meanwhile
        for number in ("2", "3"):
            with pytest.raises(StorageError):
                study.keep(
                    "repeats", {**study.repeats(), "trial-1": {**study.repeats().get("trial-1", {}), number: 0.5}}
                )
        with pytest.raises(StorageError):
            study.keep("gain", {"of": "then"})
        assert len(told) == 1, "only the first write was tried again"
    finally:
        postgres.start()
    study.keep("gain", {"of": "now"})  # the last trial that was under way meets a server that is back
    study.close()
    if elsewhere:
        opened(tmp_path / "elsewhere" / "parts").close()
    told.clear()
    again = opened(notice=told.append)
    assert len(told) == elsewhere and all("they are dropped" in one for one in told)
    assert not (folder / "unwritten.json").exists() and again.attribute("gain") == {"of": "now"}
    if elsewhere:  # where these trials are repeated
        assert [record.status for record in again.records()] == ["running"] * 3
        assert again.repeats() == {"trial-0": {"1": 0.5}}
    else:
        assert [record.status for record in again.records()] == ["trained", "trained", "running"]
        assert [record.evaluation for record in again.records()[:2]] == found[:2]
        assert again.repeats() == {"trial-0": {"1": 0.5}, "trial-1": {"2": 0.5, "3": 0.5}}
        assert [orphan.number for orphan in again.orphans()] == [2]
    again.close()


@pytest.mark.slow
def test_who_lost_the_lock_to_another_driver_does_not_write(
    opened: Open, space: SearchSpace, task: Task, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.postgres.RETRY_TIMEOUT_S", 1.0)
    first = opened()
    evaluated(first, space, task, 0)
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    second = opened()
    with pytest.raises(StorageError, match="its lock is held by another session"):
        evaluated(first, space, task, 1)
    assert evaluated(second, space, task, 2) == 1
    second.close()
    with pytest.raises(StudyError, match="another ghostnas search went on with it meanwhile"):
        evaluated(first, space, task, 1)
    first.close()
    last = opened()
    assert len(last.records()) == 2
    last.close()


def test_a_write_whose_answer_is_lost_is_not_made_twice(
    opened: Open, space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each operation succeeds in the database and then seems to fail, once."""
    import optuna
    from psycopg import OperationalError

    study = opened()
    indices = space.sample(random.Random(0))
    architecture = space.decode(indices)

    def lost_once(name: str) -> None:
        real, calls = getattr(optuna.Study, name), []

        def call(self: optuna.Study, *args: object, **more: object) -> object:
            found = real(self, *args, **more)
            calls.append(name)
            if len(calls) == 1:
                raise optuna.exceptions.StorageInternalError("lost") from OperationalError("server closed")
            return found

        monkeypatch.setattr(optuna.Study, name, call)

    for name in ("add_trial", "tell", "set_user_attr"):
        lost_once(name)
    number = study.start(indices, architecture.key, "random")
    study.finish(number, formula(architecture, task, always_train=True))
    study.keep("repeats", {"trial-0": {"1": 0.5}})
    failed = study.start(indices, architecture.key, "random")
    study.fail(failed, "it did not train")
    study.close()
    again = opened()
    assert [record.status for record in again.records()] == ["trained", "failed"]
    assert again.repeats() == {"trial-0": {"1": 0.5}}
    again.close()


def test_a_trial_that_optuna_stored_twice_is_evaluated_once(
    opened: Open, space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna adds a trial again where the answer to its commit was lost."""
    import optuna

    real = optuna.storages.RDBStorage._create_new_trial

    def twice(*arguments: Any) -> object:
        real(*arguments)
        return real(*arguments)

    study = opened()
    architecture = space.decode(indices := space.sample(random.Random(0)))
    with monkeypatch.context() as patched:
        patched.setattr(optuna.storages.RDBStorage, "_create_new_trial", twice)
        numbers = [study.start(indices, architecture.key, "random"), study.start_baseline("known", architecture.key)]
    for number, baseline in zip(numbers, (False, True), strict=True):
        study.finish(number, formula(architecture, task, always_train=True), baseline)
    assert evaluated(study, space, task, 1) == 2
    study.close()
    again = opened()
    assert again.orphans() == [] and [one.status for one in again.records()] == ["failed", "trained", "trained"]
    assert [one.status for one in again.baselines()] == ["trained"]
    again.close()


def test_a_trial_that_the_database_lost_is_said_so(
    opened: Open, folder: Path, database: str, space: SearchSpace, task: Task
) -> None:
    """As after a failover to a server that lagged behind."""
    import psycopg

    told: list[str] = []
    study = opened()
    designs = [space.decode(point := space.sample(random.Random(seed))) for seed in range(3)]
    numbers = [study.start(point, one.key, "random") for one in designs]
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("DELETE FROM trial_params; DELETE FROM trial_user_attributes WHERE trial_id > 1")
        session.execute("DELETE FROM trials WHERE number > 0")
    for number in numbers[1:]:
        with pytest.raises(StorageError, match=rf"trial {number} is not in parts in postgresql.* any more; run the"):
            study.finish(number, formula(designs[number], task, always_train=True))
    study.close()
    other = PostgresDatabase(database, "parts").open()  # a search that went on gave the number to another design
    import optuna

    optuna.load_study(study_name="parts/search", storage=other).add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, user_attrs={"architecture": "another", "origin": "random"}
        )
    )
    close_storage(other)
    again = opened(notice=told.append)
    assert [one.status for one in again.records()] == ["running", "running"]
    assert len(told) == 2 and all("any more; its result in" in one for one in told)
    assert not (folder / "unwritten.json").exists()
    again.close()


def test_an_interrupt_ends_the_waiting(
    opened: Open, space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ConnectionLost

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    study = opened()
    architecture = space.decode(indices := space.sample(random.Random(0)))
    numbers = [study.start(indices, architecture.key, "random") for _ in range(2)]
    evaluation = formula(architecture, task, always_train=True)
    with monkeypatch.context() as patched:
        patched.setattr(study._lock, "check", fails)
        patched.setattr("nas.study.outage.time.sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.finish(numbers[0], evaluation)
        with pytest.raises((StorageError, KeyboardInterrupt)) as told:
            study.finish(numbers[1], evaluation)
    assert told.type is StorageError  # at once
    study.close()
    again = opened()
    assert [one.status for one in again.records()] == ["trained", "trained"]
    again.close()


def test_a_server_that_only_reads_for_now_is_waited_for(opened: Open, database: str, postgres: PostgresServer) -> None:
    """As while another server takes over."""
    name, told = database.rpartition("/")[2], list[str]()

    def read_only(value: str) -> None:
        postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    study = opened(notice=told.append)
    read_only("on")
    back = threading.Timer(0.3, read_only, ("off",))
    back.start()
    try:
        study.keep("repeats", {"trial-0": {"1": 0.5}})
    finally:
        back.join()
    assert len(told) == 2 and "read-only transaction" in told[0] and told[1].endswith("answers again")
    study.close()


def test_tables_of_another_program_are_said_so(opened: Open, database: str) -> None:
    import psycopg

    with psycopg.connect(database, autocommit=True) as session:
        session.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        session.execute("INSERT INTO alembic_version VALUES ('of another')")
    with pytest.raises(StudyError, match=r"parts in .* holds tables of another Optuna or of another program; use an"):
        opened()


def test_searches_that_begin_together_make_the_tables_once(database: str) -> None:
    failed: list[BaseException] = []
    together = threading.Barrier(4)

    def make(name: str) -> None:
        together.wait()
        try:
            close_storage(PostgresDatabase(database, name).open())
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_lock_is_free_when_it_is_closed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    place = PostgresDatabase(database, "parts")
    first = place.lock()
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "close", lambda session: None)  # a session takes a while to end
        first.close()
    place.lock().close()
    first.close()


def test_a_server_that_ends_idle_sessions_leaves_the_lock(database: str, postgres: PostgresServer) -> None:
    postgres.execute(f"ALTER DATABASE {database.rpartition('/')[2]} SET idle_session_timeout = '200ms'")
    place = PostgresDatabase(database, "parts")
    lock = place.lock()
    time.sleep(0.6)
    assert place.in_use()
    lock.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://me:hush@host/db", "is no such address"),
        ("sqlite:///study.db", "is no such address"),
        ("postgres://me:hush@host/db", "is no such address"),
        ("postgresql+psycopg2://me:hush@host/db", "is no such address"),
        ("postgresql://me:hush@host", "USER@HOST/DATABASE"),
        ("postgresql://me:hu@sh@host/db", "%40 for @"),
        ("postgresql://me:hu/sh@host/db", "%40 for @"),
        ("postgresql://me:hu?sh@host/db", "percent-encoded"),
        ("postgresql://me@srv:hush@host/db", "%40 for @"),
        ("postgresql://me/you:hush@host/db", "%40 for @"),
        ("postgresql://host:5432/db?password=hu@sh", "%40 for @"),
        ("postgresql://me:hush%zz@host/db", "percent-encoded"),
        ("postgresql://me@host/db?password=hu#sh&nothing=1", "percent-encoded"),
        ("host=h password=hush dbname=x", "is no such address"),
        ("host=h password = 'hu\\' sh' dbname=x", "is no such address"),
        ("postgresql://me:hush@host/db?nothing=1", "percent-encoded"),
        ("", "is no such address"),
    ],
)
def test_urls_that_are_refused(url: str, says: str, database: str) -> None:
    with pytest.raises(UsageError, match=says) as told:
        check_url(url)
    assert "\n" not in str(told.value)
    assert not any(part in str(told.value) for part in ("hush", "hu'", "sh@", "?sh", "#sh", "@sh", " sh"))


def test_a_wrong_password_is_said_so_and_not_shown(
    postgres: PostgresServer, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    for password, says in (("hush", "password authentication failed"), (None, "no password supplied")):
        place = PostgresDatabase(postgres.url(password=password), "parts")
        with pytest.raises(StudyError, match=rf"cannot be reached: .*{says}.*; set PGPASSWORD") as told:
            place.exists()
        assert "hush" not in str(told.value) and "\n" not in str(told.value) and "hush" not in repr(place)


def test_the_password_may_come_from_a_file(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:*:*:ghost:{PASSWORD.replace(':', chr(92) + ':')}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert not PostgresDatabase(postgres.url(password=None), "parts").exists()


def test_without_psycopg_the_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r'needs psycopg .*; pip install "psycopg\[binary\]"'):
        check_url("postgresql://me@host/db")


@pytest.mark.parametrize(
    "url", ["postgresql://me:hu?sh@h/db", "postgresql://me:hu#sh@h/db", "postgresql://me@h/db?password=hu#sh"]
)
def test_what_is_stored_has_no_password(url: str) -> None:
    assert PostgresDatabase(url, "parts").label == "parts in postgresql://me@h/db"


def test_the_command_in_reports_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.util.provenance import command

    for words in (
        ["--storage", "postgresql://me:hush@host:5432/db"],
        ["--storage=postgresql://me:hush@host/db?sslmode=require"],
        ["--storage", "postgresql://me@host/db?password=hush&sslmode=require"],
        ["--storage", "postgresql://host/db?user=me&sslpassword=hush"],
        ["--storage", "postgresql://me:hu/sh@hush@host/db"],
        ["--storage", "postgresql://me#1:hush@host/db"],
        ["--storage", "postgresql://host/db?oauth_client_secret=hu#sh@hush"],
    ):
        monkeypatch.setattr("sys.argv", ["/usr/bin/ghostnas", "search", *words, "--device", "ssh://pi@board:22"])
        said = command()
        assert "hush" not in said and "sh@" not in said and "***" in said and "host" in said
        assert said.startswith("ghostnas search ") and said.endswith("--device ssh://pi@board:22")
