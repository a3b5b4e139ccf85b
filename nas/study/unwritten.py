"""What a search could not write to its database, kept in the results folder, and written when the search goes on.

It is taken up only while the study is as this process left it: where another process opened the study meanwhile, the
trials were repeated there.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import StudyError
from nas.study.storage import Part
from nas.util.atomic_files import write_whole

UNWRITTEN_FILE = "unwritten.json"


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Results that are not in the study.

    Attributes:
        writer: The word by which the study knows the process that made them.
        evaluations: By part and trial number, evaluations as plain values.
        kept: Values that are kept with the study, by name.
    """

    writer: str
    evaluations: dict[Part, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the file of a results folder.

        Raises:
            StorageError: It cannot be written.
        """
        write_whole(folder / UNWRITTEN_FILE, json.dumps(asdict(self)).encode())


def read_unwritten(folder: Path) -> Unwritten | None:
    """What lies in a results folder; None where nothing does.

    Raises:
        StudyError: The file cannot be read.
    """
    path = folder / UNWRITTEN_FILE
    if not path.is_file():
        return None
    try:
        return Unwritten(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(
            f"{path}, what a search could not write to its database, cannot be read: {error}; without it these trials "
            "are repeated"
        ) from error


def delete_unwritten(folder: Path) -> None:
    """Delete the file of a results folder."""
    (folder / UNWRITTEN_FILE).unlink(missing_ok=True)
