"""The study of a results folder, moved between its file and a database."""

import time
from dataclasses import dataclass
from pathlib import Path

from nas.errors import StorageError, StudyError, UsageError
from nas.results.folder import find_run
from nas.study import (
    UNWRITTEN_FILE,
    Copied,
    PostgresDatabase,
    StudyFile,
    check_path,
    check_url,
    copy_study,
    forget,
    remember,
    remembered,
    storage_of,
    study_name_of,
)
from nas.util.passwords import masked
from nas.util.paths import writable_dir


@dataclass(frozen=True, slots=True)
class Moved:
    """What was copied, and where the study of a results folder lies now.

    Attributes:
        copied: How much was copied.
        source: Where it lay.
        target: Where it lies now.
        left: What became of the source.
    """

    copied: Copied
    source: str
    target: str
    left: str


def move_study(source: str, target: str, name: str | None, out: Path) -> Moved:
    """Copy a study; its results folder uses the copy from now on.

    Args:
        source: A run's name or results folder, or the URL of a database.
        target: The other of the two.
        name: The study's name in the database; None for the folder's.
        out: Folder that holds the runs.

    Raises:
        UsageError: Neither or both are databases, or one is none of PostgreSQL.
        StudyError: There is no such study, one is at the target already, or either is in use.
        StorageError: The target cannot be written.
    """
    if ("://" in source) == ("://" in target):
        raise UsageError(
            "one of FROM and TO is a run's name or results folder, and the other a database "
            f"postgresql://USER@HOST/DATABASE; got {masked(source)!r} and {masked(target)!r}"
        )
    if "://" in target:
        return _to_database(find_run(source, out), check_url(target), name)
    return _to_folder(check_url(source), out / target if Path(target).name == target else Path(target), name)


def _to_database(folder: Path, url: str, name: str | None) -> Moved:
    place = storage_of(writable_dir(folder))
    database = PostgresDatabase(url, name or study_name_of(folder))
    _check_written(folder)
    if not isinstance(place, StudyFile):
        copied = copy_study(place, database, lambda: remember(folder, database))
        return Moved(copied, place.label, database.label, "the study that it was copied from stays there")
    file = place.path
    aside = file.with_name(f"{file.name}.copied-{time.strftime('%Y%m%d-%H%M%S')}")

    def switch() -> None:
        remember(folder, database)
        try:
            file.rename(aside)
        except OSError as error:
            forget(folder)
            raise StorageError(f"cannot rename {file}: {error.strerror or error}") from error

    copied = copy_study(place, database, switch)
    return Moved(copied, place.label, database.label, f"{file.name} is kept as {aside.name}")


def _to_folder(url: str, folder: Path, name: str | None) -> Moved:
    check_path(folder)
    known = remembered(folder)
    source = PostgresDatabase(url, name or (known.name if known else study_name_of(folder)))
    if known is not None and not known.is_same(source):
        raise StudyError(f"the study of {folder} is {known.label}, not {source.label}; choose another folder")
    if not source.exists():
        raise StudyError(f"there is no study {source.label}; --name says which one of the database is meant")
    file = StudyFile(writable_dir(folder))
    _check_written(folder)
    copied = copy_study(source, file, lambda: forget(folder))
    return Moved(copied, source.label, file.label, "the study in the database stays there")


def _check_written(folder: Path) -> None:
    """Refuse a folder with results that are not in its study: the copy would be without them.

    Raises:
        StudyError: It holds such results.
    """
    path = folder / UNWRITTEN_FILE
    if path.is_file():
        raise StudyError(
            f"{path} holds results that are not in the study yet; run the search once, which writes them, or delete "
            "the file, and their trials are repeated"
        )
