"""Results folders: which runs there are, the one that was meant, and the files inside it.

A run is a folder that holds a `study.db`, a `storage.json` or a `run.json`; by default runs lie under `results/` of the
current folder.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.blocks import MODULE_NAME
from nas.errors import ModelError, StudyError
from nas.study import STUDY_FILES
from nas.util.passwords import masked
from nas.util.suggest import did_you_mean

RESULTS = Path("results")
RUN_FILE = "run.json"
BEST_FILE = "best.yaml"
CHECKPOINT_FILE = "best.pt"
MEASURED_ONNX = "best.onnx"
HANDED_OVER = (CHECKPOINT_FILE, f"{MODULE_NAME}.py", MEASURED_ONNX, "best.ncnn", "best.torch.pt")
"""What is there of a trained best design: its checkpoint, the blocks, and the measured file of one of the runtimes."""
FRONT = "front"
_MODEL_FOLDERS = ("models", FRONT)
_SAY_SO = (*STUDY_FILES, RUN_FILE)


def is_run(folder: Path) -> bool:
    """Whether a folder is a results folder."""
    return any((folder / name).is_file() for name in _SAY_SO)


def last_change(run: Path) -> float:
    """When a run's study or its report was last written, in seconds since 1970, as far as its folder says."""
    return max(file.stat().st_mtime for name in _SAY_SO if (file := run / name).is_file())


def list_runs(out: Path = RESULTS) -> list[Path]:
    """The results folders directly under `out`, the most recently changed first."""
    if not out.is_dir():
        return []
    runs = (folder for folder in out.iterdir() if folder.is_dir() and is_run(folder))
    return sorted(runs, key=lambda run: (-last_change(run), run.name))


def find_run(name_or_path: str, out: Path = RESULTS) -> Path:
    """The results folder of a run's name or path.

    Args:
        name_or_path: A name under `out`, or the path of a results folder.
        out: Folder that holds the runs.

    Raises:
        StudyError: There is no such run; lists the known ones and suggests the nearest.
    """
    for folder in (out / name_or_path, Path(name_or_path)):
        if folder.is_dir() and is_run(folder):
            return folder
    if name_or_path and Path(name_or_path).is_dir():
        raise StudyError(
            f"{name_or_path} is not a results folder: it holds none of {', '.join(_SAY_SO)}. {_known(out)}"
        )
    raise StudyError(
        f"there is no run {masked(name_or_path)!r} under {out}{did_you_mean(name_or_path, _names(out))}. {_known(out)}"
    )


def latest_run(out: Path = RESULTS) -> Path:
    """The most recently changed run.

    Raises:
        StudyError: There is no run yet.
    """
    runs = list_runs(out)
    if not runs:
        raise StudyError(_known(out))
    return runs[0]


def _names(out: Path) -> list[str]:
    return [run.name for run in list_runs(out)]


def _known(out: Path) -> str:
    names = _names(out)
    if not names:
        return f"there are no runs under {out} yet; start one with: ghostnas search --target-latency 2.5ms"
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"Known runs: {', '.join(names[:10])}{more}"


def design_of(run: Path, trial: int | None = None) -> Path:
    """The model YAML of a run: its best design, or the one of a trial.

    Raises:
        ModelError: The run has no such YAML; says which trials it has.
    """
    if trial is None:
        if (run / BEST_FILE).is_file():
            return run / BEST_FILE
        raise ModelError(
            f"{run} has no {BEST_FILE} yet: no design met the target, or the search has not finished. "
            f"Choose a trained trial with --trial ({_trials_text(run)}), or go on with the search"
        )
    for folder in _MODEL_FOLDERS:
        if (path := run / folder / f"trial-{trial}.yaml").is_file():
            return path
    raise ModelError(f"{run} has no model of trial {trial} ({_trials_text(run)})")


def checkpoint_of(run: Path, label: str) -> Path | None:
    """The checkpoint in which a search left a design trained; None where it left none.

    Args:
        run: Results folder.
        label: `trial-7`, or a baseline's name.
    """
    best = provenance(run).get("best") == label
    path = run / CHECKPOINT_FILE if best else run / FRONT / f"{label}.pt"
    return path if path.is_file() else None


def run_of(file: Path) -> Path | None:
    """The results folder in which a file lies, or in a folder of it; None for a file elsewhere."""
    return next((folder for folder in file.absolute().parents[:2] if is_run(folder)), None)


def _trials_text(run: Path) -> str:
    files = [path for folder in _MODEL_FOLDERS for path in (run / folder).glob("trial-*.yaml")]
    numbers = sorted({int(path.stem.removeprefix("trial-")) for path in files if path.stem[6:].isdecimal()})
    return f"trained trials: {', '.join(map(str, numbers))}" if numbers else "no trial has been trained"


def provenance(run: Path) -> dict[str, Any]:
    """The contents of `run.json`; empty while a search has not written it.

    Raises:
        StudyError: The file is not a JSON object, or its settings are none.
    """
    path = run / RUN_FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StudyError(f"{path} is not valid JSON ({error}); restore it, or run the search again") from error
    if not isinstance(content, dict):
        raise StudyError(f"{path} must hold a JSON object, got {type(content).__name__}")
    if not isinstance(content.get("settings", {}), dict):
        raise StudyError(f"{path}: `settings` must be a JSON object, got {content['settings']!r:.60}; restore the file")
    return content


def table(run: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of one of a run's CSV files, as text by column; nothing when there is no such file.

    Args:
        run: Results folder.
        name: `front.csv`, `baselines.csv` or `trials.csv`.
    """
    path = run / name
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)
