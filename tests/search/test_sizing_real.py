"""A real search with `--space auto`: real measurements choose, and a resumed search goes on with what was chosen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nas.cli.search_progress import ConsoleReporter
from nas.search.run import run_search
from nas.search.sizing import AutoSpace
from nas.study.limits import Limits
from tests.search.test_rungs_real import request


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_chooses_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = replace(request(tmp_path), space=AutoSpace("ghostv2"), limits=Limits(5.0))
    asked = replace(asked, finalist_seeds=1, name=None)
    said, names = [], set()
    for _ in range(2):
        with ConsoleReporter() as reporter:
            outcome = run_search(asked, reporter)
        said.append(capsys.readouterr().out)
        names.add(outcome.folder.name)
    assert len(names) == 1 and names.pop().startswith("auto-embedded-5ms-")
    assert "to choose the input sizes" in said[0] and "to choose the input sizes" not in said[1]
    space = outcome.settings.space
    assert space.space.startswith("ghostv2-") and space.chosen is not None and "takes" in space.chosen
    assert all(
        record.evaluation is None or record.evaluation.architecture.imgsz in space.imgsz for record in outcome.records
    )
    for text in said:
        assert f"space    {space.space}, input sizes {', '.join(map(str, space.imgsz))} px" in text
        assert f"chosen for the target: {space.chosen}" in text
    assert f"chosen for the target: {space.chosen}" in (outcome.folder / "report.md").read_text()
    run = json.loads((outcome.folder / "run.json").read_text())
    assert run["settings"]["imgsz"] == list(space.imgsz) and run["settings"]["space"] == space.space
