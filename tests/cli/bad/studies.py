"""Results folders whose study, `run.json` or designs cannot be read."""

import json
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nas.study.store import StoredStudy
from tests.cli.bad.case import Case, Prepare, both, text
from tests.trained_run import SETTINGS

_RUN = Path("results/mine")
_DB = "results/mine/study.db"
_CANNOT = "cannot be read as a ghostnas study"


@cache
def _database() -> bytes:
    with TemporaryDirectory() as folder:
        StoredStudy(Path(folder), SETTINGS, {}).close()
        return (Path(folder) / "study.db").read_bytes()


def study(folder: Path) -> None:
    """A study without trials."""
    text(_DB, _database())(folder)


def _settings(changes: Mapping[str, Any]) -> Prepare:
    """A study whose stored settings are changed; a value of `...` is left out."""

    def write(folder: Path) -> None:
        stored = {**SETTINGS.to_dict(), **changes}
        stored = {name: value for name, value in stored.items() if value is not ...}
        with sqlite3.connect(folder / _DB) as connection:
            connection.execute(
                "UPDATE study_user_attributes SET value_json = ? WHERE key = 'settings'", [json.dumps(stored)]
            )
        connection.close()

    return both(study, write)


def _sql(command: str) -> Prepare:
    def write(folder: Path) -> None:
        with sqlite3.connect(folder / _DB) as connection:
            connection.execute(command)
        connection.close()

    return both(study, write)


def _an_empty_database(folder: Path) -> None:
    (folder / _RUN).mkdir(parents=True)
    connection = sqlite3.connect(folder / _DB)
    connection.execute("CREATE TABLE a (b)")
    connection.commit()
    connection.close()


_SETTINGS: dict[str, Mapping[str, Any]] = {
    "missing": {"target_ms": ...},
    "unknown": {"colour": "red"},
    "target-text": {"target_ms": "fast"},
    "target-null": {"target_ms": None},
    "imgsz-text": {"imgsz": "64"},
    "imgsz-null": {"imgsz": None},
    "imgsz-number": {"imgsz": 64},
    "imgsz-of-texts": {"imgsz": ["64"]},
    "rungs-text": {"rungs": "400"},
    "runtime-unknown": {"runtime": "tflite"},
    "threads-text": {"threads": "two"},
    "threads-zero": {"threads": 0},
    "precision-list": {"precision": ["float32"]},
    "steps-text": {"steps": "many"},
    "seed-mapping": {"seed": {}},
    "space-number": {"space": 3},
    "sampler-number": {"sampler": 3},
    "data-null": {"data": None},
    "classes-text": {"classes": "6"},
}

_STATUS = ("status", "mine")

CASES = (
    *(Case(f"study-{name}", _STATUS, _CANNOT, _settings(changes)) for name, changes in _SETTINGS.items()),
    Case(
        "study-settings-a-list",
        _STATUS,
        _CANNOT,
        _sql("UPDATE study_user_attributes SET value_json = '[]' WHERE key = 'settings'"),
    ),
    Case(
        "study-settings-no-json",
        _STATUS,
        _CANNOT,
        _sql("UPDATE study_user_attributes SET value_json = '{' WHERE key = 'settings'"),
    ),
    Case("study-without-settings", _STATUS, "it holds no search", _sql("DELETE FROM study_user_attributes")),
    Case("study-without-baselines", _STATUS, _CANNOT, _sql("DELETE FROM studies WHERE study_name = 'baselines'")),
    Case("study-other-tables", _STATUS, _CANNOT, _an_empty_database),
    Case("study-text", _STATUS, _CANNOT, text(_DB, "rubbish")),
    Case("study-is-empty", _STATUS, _CANNOT, text(_DB, "")),
    Case(
        "predict-from-a-text", ("latency", "predict", "yolo11n.yaml", "--from", "mine"), _CANNOT, text(_DB, "rubbish")
    ),
    Case("predict-from-nothing", ("latency", "predict", "yolo11n.yaml", "--from", "mine"), "measure", study),
    Case("dashboard-of-a-text", ("dashboard", "mine", "--port", "0"), "cannot be read", text(_DB, "rubbish")),
    Case("dashboard-port-beyond", ("dashboard", "mine", "--port", "70000"), "between 0 and 65535", study),
    Case("dashboard-foreign-address", ("dashboard", "mine", "--host", "192.0.2.1"), "cannot listen on", study),
    Case("dashboard-host-word", ("dashboard", "mine", "--host", "no such host"), "cannot listen on", study),
    Case("export-unfinished", ("export", "mine", "--to", "there"), "has no best.yaml yet", study),
    Case("export-no-such-trial", ("export", "mine", "--trial", "7", "--to", "there"), "no model of trial 7", study),
    Case("train-unfinished", ("train", "mine"), "has no best.yaml yet", study),
    Case("inherit-unfinished", ("inherit", "a.pt", "mine", "--out", "b.pt"), "has no best.yaml yet", study),
    Case(
        "run-json-text",
        ("export", "mine", "--to", "there"),
        "run.json is not valid JSON",
        both(text("results/mine/run.json", "{"), text("results/mine/best.yaml", "nc: 1\n")),
    ),
    Case(
        "run-json-list",
        ("export", "mine", "--to", "there"),
        "must hold a JSON object",
        both(text("results/mine/run.json", "[]"), text("results/mine/best.yaml", "nc: 1\n")),
    ),
    Case(
        "run-json-settings",
        ("export", "mine", "--to", "there"),
        "`settings` must be a JSON object",
        both(text("results/mine/run.json", '{"settings": []}'), text("results/mine/best.yaml", "nc: 1\n")),
    ),
    Case(
        "run-json-not-utf8",
        ("export", "mine", "--to", "there"),
        "run.json is not valid JSON",
        both(text("results/mine/run.json", b"\xff{}"), text("results/mine/best.yaml", "nc: 1\n")),
    ),
    Case(
        "best-no-model",
        ("export", "mine", "--to", "there"),
        "best.yaml",
        both(text("results/mine/run.json", "{}"), text("results/mine/best.yaml", "nc: 1\n")),
    ),
    Case("folder-no-run", ("status", "results"), "is not a results folder", text("results/x/y", "")),
)
