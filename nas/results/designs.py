"""What a user points at when exporting or training: a run, one of its trials, or a model file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import ModelError, UsageError
from nas.results.folder import (
    RESULTS,
    checkpoint_of,
    design_of,
    find_run,
    is_run,
    list_runs,
    provenance,
    run_of,
    table,
)
from nas.space import spaces_folder
from nas.util.image_size import yaml_imgsz as _imgsz
from nas.util.passwords import masked
from nas.util.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run's tables say of a design.

    Attributes:
        row: Columns as text: `latency_ms`, `latency_low_ms`, `latency_high_ms`, `params`, `gflops`,
            `map50_95`, ...
        fresh: Whether the latency is a finalist's, in fresh processes, and not a screening.
    """

    row: dict[str, str]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Design:
    """A model file, and the run that it belongs to.

    Attributes:
        path: Model YAML, or a checkpoint.
        label: `trial-7`, a baseline's name, or the file's stem.
        imgsz: Input size that the YAML names; None where it names none.
        run: Its results folder, None for a file elsewhere.
        weights: The checkpoint in which its search left it trained, where the run was named and not a file of it.
    """

    path: Path
    label: str
    imgsz: int | None
    run: Path | None
    weights: Path | None = None

    @property
    def provenance(self) -> dict[str, Any]:
        """The run's `run.json`; empty without a run."""
        return provenance(self.run) if self.run is not None else {}

    def measured(self) -> Measured | None:
        """What its run measured; None where nothing is known."""
        if self.run is None:
            return None
        number = self.label.removeprefix("trial-")
        finalists = (
            ("promoted.csv", "trial"),
            ("last_rung.csv", "trial"),
            ("front.csv", "trial"),
            ("baselines.csv", "baseline"),
        )
        for name, column in (*finalists, ("trials.csv", "trial")):
            value = self.label if column == "baseline" else number
            for row in table(self.run, name):
                if row.get(column) == value and row.get("latency_ms"):
                    return Measured(row, fresh=row.get("latency_level") == "finalist")
        return None


def find_design(target: str, trial: int | None = None, out: Path = RESULTS) -> Design:
    """The design that a user means.

    Args:
        target: A run's name, a results folder, a model YAML, or a checkpoint (`.pt`).
        trial: Trial of the run; its best design when None.
        out: Folder that holds the runs.

    Raises:
        ModelError: There is no such file, or the run has no such design.
        StudyError: There is no such run.
        UsageError: A trial was given with a file.
    """
    path = Path(target)
    if path.suffix not in (".yaml", ".yml", ".pt"):
        run = find_run(target, out)
        path = design_of(run, trial)
        label = str(provenance(run).get("best") or "best") if trial is None else path.stem
        return Design(path, label, _imgsz(path), run, checkpoint_of(run, label))
    if trial is not None:
        raise UsageError(f"--trial {trial} needs a run's name or results folder, got the file {target}")
    if not path.is_file():
        raise ModelError(f"there is no model file {target}; give a file that exists, or a run's name")
    home = run_of(path)
    label = path.stem
    if home is not None and label == "best":
        label = str(provenance(home).get("best") or label)
    return Design(path, label, None if path.suffix == ".pt" else _imgsz(path), home)


def find_untrained(target: str, trial: int | None = None, out: Path = RESULTS) -> Design:
    """The design that a user means where weights of its own would be in the way.

    Args:
        target: A run's name, a results folder, a model YAML, a literal's name, or a model YAML that Ultralytics ships.
        trial: Trial of the run; its best design when None.
        out: Folder that holds the runs.

    Raises:
        ModelError: There is no such file, or the run has no such design.
        UsageError: It is a checkpoint, nothing has that name, or a trial was given with a file.
    """
    path = Path(target)
    if path.suffix == ".pt":
        raise UsageError(f"the design must be a model YAML, a run or a literal; {target} is a checkpoint")
    if path.suffix in (".yaml", ".yml"):
        shipped = trial is None and not path.exists() and path.parent == Path()
        return Design(path, path.stem, None, None) if shipped else find_design(target, trial, out)
    literals = {file.stem: file for file in sorted((spaces_folder() / "literals").glob("*.yaml"))}
    if target in literals and not any(is_run(folder) for folder in (out / target, path)):
        return find_design(str(literals[target]), trial, out)
    if path.exists() or (out / target).exists():
        return find_design(target, trial, out)
    names = [*literals, *(run.name for run in list_runs(out))]
    raise UsageError(
        f"{masked(target)!r} is no model YAML, no run under {out} and no literal (`ghostnas space literals` lists them)"
        f"{did_you_mean(target, names)}"
    )
