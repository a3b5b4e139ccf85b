"""What a search could not write to its database, kept in the results folder, and written when the search goes on.

It is taken up only while the study is as this process left it: where another process opened the study meanwhile, the
trials were repeated there.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import StudyError
from nas.study.evaluation import Evaluation
from nas.study.storage import Part
from nas.util.atomic_files import write_whole

UNWRITTEN_FILE = "unwritten.json"


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Results that are not in the study.

    Attributes:
        writer: The id by which the study knows the process that made them.
        evaluations: By part and trial number.
        kept: Values that are kept with the study, by name.
    """

    writer: str
    evaluations: dict[Part, dict[int, Evaluation]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the file of a results folder.

        Raises:
            StorageError: It cannot be written.
        """
        plain = {
            part: {number: one.to_dict() for number, one in some.items()} for part, some in self.evaluations.items()
        }
        values = {"writer": self.writer, "evaluations": plain, "kept": self.kept}
        write_whole(folder / UNWRITTEN_FILE, json.dumps(values).encode())


def read_unwritten(folder: Path) -> Unwritten | None:
    """What lies in a results folder; None where nothing does.

    Raises:
        StudyError: The file cannot be read.
    """
    path = folder / UNWRITTEN_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        evaluations: dict[Part, dict[int, Evaluation]] = {
            part: {int(number): Evaluation.from_dict(one) for number, one in some.items()}
            for part, some in found["evaluations"].items()
        }
        return Unwritten(str(found["writer"]), evaluations, dict(found["kept"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise StudyError(
            f"{path}, which holds what a search could not write to its database, cannot be read: {why}; where you "
            "delete it, these trials are repeated"
        ) from error


def delete_unwritten(folder: Path) -> None:
    """Delete the file of a results folder."""
    (folder / UNWRITTEN_FILE).unlink(missing_ok=True)
