"""Every bad input in a table: one line on stderr, exit code 2, no traceback, and nothing written.

All run in this process, through the entry point of the command line.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nas.cli import main
from tests.cli.bad import checkpoints, data_sets, models, options, profiles, space_files, studies
from tests.cli.bad.case import Case

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CASES: tuple[Case, ...] = (
    *options.CASES,
    *space_files.CASES,
    *data_sets.CASES,
    *profiles.CASES,
    *studies.CASES,
    *models.CASES,
    *checkpoints.CASES,
)
"""All bad inputs."""

_LONGEST_S = 60.0
_spent_s: list[float] = []


def _contents(folder: Path) -> dict[str, bytes | None]:
    """Every file under a folder with its bytes, every folder with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_line_exit_2_nothing_written(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = time.process_time()
    case.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ghostnas", *case.words])
    before = _contents(tmp_path)
    with pytest.raises(SystemExit) as end:
        main()
    message = capsys.readouterr().err
    assert end.value.code == 2, message
    assert message.startswith("ghostnas: ") and message.count("\n") == 1 and message.endswith("\n"), message
    assert case.says in message
    assert "Traceback" not in message
    assert _contents(tmp_path) == before
    _spent_s.append(time.process_time() - begin)


def test_the_table_is_large_and_its_names_differ() -> None:
    assert len(CASES) >= 200
    assert not [name for name, count in Counter(case.name for case in CASES).items() if count > 1]


def test_the_table_takes_less_than_a_minute() -> None:
    """Of this process's own time, so that a busy machine does not fail it."""
    assert sum(_spent_s) < _LONGEST_S
