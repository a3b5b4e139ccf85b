"""Results that a search could not write to its database, when the same search is run again."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from nas.cli.search_progress import ConsoleReporter
from nas.data import load
from nas.search import run
from nas.search.evaluate import Task
from nas.search.request import search_settings, with_steps
from nas.study import Record
from nas.study.location import storage_of
from nas.study.store import StoredStudy, read_records
from nas.study.unwritten import UNWRITTEN_FILE, Unwritten
from tests.postgres_server import PASSWORD
from tests.search.conftest import formula
from tests.search.test_rungs_real import request


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_search_that_goes_on_takes_them_up_or_says_that_they_are_dropped(
    tmp_path: Path,
    task: Task,
    database: str,
    elsewhere: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    asked = replace(request(tmp_path), storage=database)
    data = load(None, fraction=asked.fraction)
    settings = search_settings(with_steps(asked, data), data)
    sizes = {one.name: len(one.choices) for one in asked.space.dimensions}
    folder = tmp_path / "long"
    study = StoredStudy(folder, settings, sizes, storage=storage_of(folder, database))
    design = asked.space.decode(point := asked.space.sample(random.Random(0)))
    number = study.start(point, design.key, "random")
    assert study._lock.writer_id is not None
    writer = "another process" if elsewhere else study._lock.writer_id
    study.close()
    evaluation = formula(design, task, always_train=True)
    Unwritten(writer, {"search": {number: evaluation}}).write(folder)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    noted: list[Record] = []
    monkeypatch.setattr(run, "_searched", stopped)
    with ConsoleReporter() as reporter, pytest.raises(KeyboardInterrupt):
        run.run_search(asked, reporter, lambda study, record, kept: noted.append(record))
    assert not (folder / UNWRITTEN_FILE).exists()
    (record,) = read_records(folder)[1]
    said = " ".join(capsys.readouterr().out.split())
    if elsewhere:
        assert record.status == "running" and noted == [] and "they are dropped, and their trials repeated" in said
    else:
        assert record.evaluation == evaluation and noted == [record] and "dropped" not in said
