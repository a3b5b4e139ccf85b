"""Where the study of a results folder lies: in the folder, or in the database that the folder remembers."""

import json
import os
from pathlib import Path

from nas.errors import StorageError, StudyError
from nas.study.postgres import PostgresDatabase
from nas.study.postgres_connection import check_url
from nas.study.storage import StudyStorage
from nas.study.study_file import STUDY_FILE, StudyFile, check_path
from nas.util.atomic_files import write_whole
from nas.util.passwords import without_password
from nas.util.printable import printable, shell_word

STORAGE_FILE = "storage.json"
"""In a results folder whose study lies in a database: the database, without a password, and the study's name there."""

STUDY_FILES = (STUDY_FILE, STORAGE_FILE)
"""One of these says that a folder has a study."""


def storage_of(folder: Path, url: str | None = None) -> StudyStorage:
    """Where the study of a results folder lies; of a new one, where it shall lie.

    Args:
        folder: Results folder, which need not be there.
        url: Database that is asked for; None for the one that the folder remembers, else for a file in the folder.

    Raises:
        StudyError: The folder's study lies elsewhere, or it is not clear where.
        UsageError: The URL is no database's, or psycopg is not installed.
        StorageError: A file cannot lie there.
    """
    known = remembered(folder)
    in_file = StudyFile(folder).exists()
    if known is not None and in_file:
        raise StudyError(
            f"{folder} has both {STUDY_FILE} and {STORAGE_FILE}, which names {known.label}; move away the one that is "
            "not its study"
        )
    if url is None:
        if known is None:
            check_path(folder)
            return StudyFile(folder)
        return known
    asked = PostgresDatabase(check_url(url), study_name_of(folder) if known is None else known.name)
    there = without_password(url)
    if in_file:
        raise StudyError(
            f"the study of {folder} is its {STUDY_FILE}; move it with: ghostnas study copy {shell_word(str(folder))} "
            f"{there}"
        )
    if known is not None and not asked.is_same(known):
        raise StudyError(
            f"the study of {folder} is {known.label}, not in {there}; where the database has moved, change "
            f'"storage" in {folder / STORAGE_FILE}'
        )
    return asked


def study_name_of(folder: Path) -> str:
    """What the study of a results folder is called in a database, where nothing else is said: as the folder."""
    return printable(os.path.basename(os.path.abspath(folder)))


def check_still(folder: Path, place: StudyStorage) -> None:
    """Make sure, once a study is locked, that its results folder does not have another one by now.

    Raises:
        StudyError: The study was moved meanwhile.
    """
    now = storage_of(folder, place.url if isinstance(place, PostgresDatabase) else None)
    if now.label != place.label:
        raise StudyError(f"the study of {folder} is {now.label} by now; run the same command again")


def remembered(folder: Path) -> PostgresDatabase | None:
    """The database in which a results folder's study lies; None where it remembers none.

    Raises:
        StudyError: What it remembers cannot be read.
        UsageError: It is no database, or psycopg is not installed.
    """
    path = folder / STORAGE_FILE
    if not os.path.isfile(path):  # no error where the name is too long
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        url, name = str(found["storage"]), str(found["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f'{path} must hold {{"storage": "postgresql://…", "name": "…"}}; restore it') from error
    return PostgresDatabase(check_url(url), name)


def remember(folder: Path, database: PostgresDatabase) -> None:
    """Note in a results folder that its study lies in a database; its password is not noted.

    Raises:
        StorageError: The file cannot be written.
    """
    noted = {"storage": without_password(database.url), "name": database.name}
    write_whole(folder / STORAGE_FILE, (json.dumps(noted, indent=2) + "\n").encode())


def forget(folder: Path) -> None:
    """Note nothing of a database any more.

    Raises:
        StorageError: The file cannot be deleted.
    """
    path = folder / STORAGE_FILE
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot delete {path}: {error.strerror or error}") from error
