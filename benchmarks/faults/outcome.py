"""What a search by formula has stored, and whether it ended as it should."""

import math
from pathlib import Path

from benchmarks.faults.objective import CALLS, RUNGS, accuracy
from nas.study import read_kept, read_records, storage_of, trained

Stored = dict[str, object]
"""Every stored score, by what was trained."""


def stored(folder: Path) -> Stored:
    """What a study holds of finished work."""
    if not storage_of(folder).exists():
        return {}
    found: Stored = {}
    for record in read_records(folder)[1]:
        if record.evaluation is not None:
            found[f"evaluate {record.label}"] = record.evaluation.to_dict()
    for label, some in read_kept(storage_of(folder)).get("rungs", {}).items():
        found |= {f"promoted {label} {steps}": score for steps, score in some.items()}
    return found


def calls(folder: Path) -> list[str]:
    """What was begun, in order."""
    file = folder / CALLS
    return [line.split(" ", 2)[2] for line in file.read_text().splitlines()] if file.exists() else []


def complete(folder: Path, budget: int) -> bool:
    """Whether a search ended as it should: with its budget, full rungs, and the score of each design its own.

    Args:
        folder: Results folder.
        budget: Candidates that it was to train.
    """
    records = read_records(folder)[1]
    rungs = read_kept(storage_of(folder)).get("rungs", {})
    done = trained(records)
    full = all(sum(str(rung.steps) in some for some in rungs.values()) >= rung.places for rung in RUNGS)
    right = all(math.isclose(one.score.map50_95, accuracy(one.evaluation.architecture)) for one in done)
    return len(done) == budget and full and right and not any(record.status == "running" for record in records)


class Watched:
    """The scores of one search, looked at again and again.

    Attributes:
        lost: Scores that were seen and are gone or changed.
        doubled: Trainings that began after their score had been seen, and designs that were stored twice.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing was seen yet."""
        self._folder = folder
        self._seen: Stored = {}
        self._calls = 0
        self._again = 0
        self.lost = self.doubled = 0

    def look(self) -> int:
        """Look at the study and at what has begun since the last look; returns the number of scores."""
        now, begun = stored(self._folder), calls(self._folder)
        self._again += sum(what in self._seen for what in begun[self._calls :])
        self.lost = sum(now.get(what) != score for what, score in self._seen.items())
        self.doubled = self._again + _stored_twice(self._folder)
        self._seen, self._calls = {**now, **self._seen}, len(begun)
        return len(now)


def _stored_twice(folder: Path) -> int:
    if not storage_of(folder).exists():
        return 0
    keys = [record.key for record in read_records(folder)[1] if record.evaluation is not None]
    return len(keys) - len(set(keys))
