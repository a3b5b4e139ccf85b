"""Finding a run and its designs by name, folder or file."""

import shutil
from pathlib import Path

import pytest

from nas.errors import ModelError, StudyError, UsageError
from nas.results.designs import find_design
from nas.results.folder import find_run, latest_run, list_runs


def test_a_run_is_found_by_name_and_by_folder(results: Path) -> None:
    assert find_run("small", results) == results / "small"
    assert find_run(str(results / "small"), results) == results / "small"
    assert list_runs(results) == [latest_run(results)] == [results / "small"]


def test_an_unknown_run_is_answered_with_the_known_and_the_nearest(results: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no run 'smal' .*did you mean 'small'.*Known runs: small"):
        find_run("smal", results)
    with pytest.raises(StudyError, match="not a results folder"):
        find_run(str(tmp_path), results)
    with pytest.raises(StudyError, match=r"no runs under .*ghostnas search"):
        latest_run(tmp_path / "nothing")


def test_a_design_is_the_best_or_a_trial_or_a_file(results: Path, tmp_path: Path) -> None:
    best = find_design("small", None, results)
    assert (best.path.name, best.label, best.imgsz) == ("best.yaml", "trial-0", 64)
    assert find_design("small", 0, results).path == results / "small" / "models" / "trial-0.yaml"
    inside = find_design(str(results / "small" / "models" / "plain.yaml"))
    assert (inside.label, inside.run) == ("plain", results / "small")
    alone = tmp_path / "design.yaml"
    shutil.copy(best.path, alone)
    assert find_design(str(alone)).run is None


def test_missing_designs_are_named(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model of trial 7 \(trained trials: 0\)"):
        find_design("small", 7, results)
    with pytest.raises(ModelError, match=r"no model file nothing\.yaml"):
        find_design("nothing.yaml", None, results)
    with pytest.raises(UsageError, match="--trial 3 needs a run"):
        find_design(str(results / "small" / "best.yaml"), 3)
    other = tmp_path / "other.yaml"
    other.write_text("a: 1\n")
    with pytest.raises(ModelError, match="is no model YAML"):
        find_design(str(other))


def test_what_the_run_measured_comes_from_its_tables(results: Path) -> None:
    best = find_design("small", None, results).measured()
    baseline = find_design(str(results / "small" / "models" / "plain.yaml")).measured()
    assert best is not None and best.fresh and best.row["latency_ms"] == "2.31"
    assert baseline is not None and baseline.row["latency_ms"] == "2.4"
