"""The note that each trial carries in the Optuna dashboard: architecture, counts, latency, score, YAML.

optuna-dashboard 0.21 keeps a note in the system attributes of the trial's *study*, as a version number and
the text in pieces: `dashboard:<trial id>:note_ver` and `dashboard:<trial id>:note_str:<i>`. Notes are written
here in that format through Optuna's storage, so that a search needs no dashboard installed (a test reads them
back with the dashboard's own code).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.architecture import CHOICES_OF, LEVELS, Architecture, Stage, to_yaml
from nas.latency import in_words
from nas.study import Record, RungScore, read_rung_scores
from nas.study.optuna_compat import set_system_attribute, system_attributes, trial_id_of

if TYPE_CHECKING:
    import optuna

_PIECE = 2045  # optuna_dashboard._note.SYSTEM_ATTR_MAX_LENGTH: what a database column of theirs holds


def annotate(study: "optuna.Study", record: Record, kept: Mapping[str, Any]) -> None:
    """Note a finished trial in its study: the hook that a stored study calls after every trial.

    Args:
        study: The study that holds the trial.
        record: The trial as stored.
        kept: What is kept with the search: its `settings`, and the scores of `rungs`.
    """
    if record.evaluation is None:
        return
    yaml_text = to_yaml(record.evaluation.architecture, kept["settings"]["classes"])
    write_note(study, record.number, note(record, yaml_text, read_rung_scores(kept).get(record.label, {})))


def note(record: Record, yaml_text: str, rungs: Mapping[int, RungScore] = MappingProxyType({})) -> str:
    """A trial's Markdown note.

    Args:
        record: A trained or rejected trial.
        yaml_text: Its model YAML.
        rungs: Its longer trainings, by steps.
    """
    evaluation = record.evaluation
    if evaluation is None:
        return f"## {record.label}\n\n{record.status}: {record.reason or 'not evaluated yet'}\n"
    score = evaluation.score
    accuracy = (
        f"| mAP50-95 | {score.map50_95:.4f} |\n| mAP50 | {score.map50:.4f} |"
        if score
        else "| mAP50-95 | not trained (the value shown for this trial is a stand-in) |"
    )
    for steps, one in sorted(rungs.items()):
        accuracy += f"\n| mAP50-95 after {steps:,} steps | {one.score.map50_95:.4f} |"
    latency = evaluation.latency
    settings = latency.settings
    conditions = (
        f"{settings.runtime}, {settings.precision}, {settings.threads} thread(s), batch 1, on {settings.where}, "
        f"{in_words(settings.statistic, settings.sustained_s)}"
    )
    verdict = "; ".join(one.text for one in evaluation.violations) or "none"
    return f"""## {record.label} ({record.status})

| | |
|---|---|
{accuracy}
| latency | {latency.latency_ms:.3f} ms ({latency.low_ms:.3f} to {latency.high_ms:.3f}) |
| measured with | {conditions} |
| limits missed | {verdict} |
| parameters | {evaluation.params:,} |
| GFLOPs | {evaluation.gflops:.3f} ({evaluation.counting_rule}) |
| ONNX file | {evaluation.onnx_bytes / 1e6:.2f} MB |
| proposed by | {record.origin} |

{_design(evaluation.architecture)}

```yaml
{yaml_text.rstrip()}
```
"""


def _design(architecture: Architecture) -> str:
    rows = "\n".join(f"| {level} | {_stage(stage)} |" for level, stage in zip(LEVELS, architecture.stages, strict=True))
    after = {"SPPF": architecture.sppf, "C2PSA": architecture.c2psa}
    return f"""| part | design |
|---|---|
| input | {architecture.imgsz} px, {architecture.activation} |
| stem | {architecture.stem_width} |
{rows}
| neck | {architecture.neck}, width {architecture.neck_width} |
| head | {architecture.head}{", without NMS" if architecture.end2end else ""} on {architecture.levels}, \
box {architecture.box_width}, class {architecture.cls_width}, reg_max {architecture.reg_max} |
| after P5 | {" and ".join(name for name, there in after.items() if there) or "nothing"} |"""


def _stage(stage: Stage) -> str:
    base = f"{stage.block}, width {stage.width}, depth {stage.depth}, down-sampler {stage.downsample}"
    own = CHOICES_OF[stage.block]
    parts = [base]
    if "expansion" in own:
        parts.append(f"expansion {stage.expansion:g}")
    if "ratio" in own and stage.ratio != 2:
        parts.append(f"ghost ratio {stage.ratio}")
    if "dfc_kernel" in own:
        parts.append(f"DFC kernel {stage.dfc_kernel} pool {stage.dfc_pool}" if stage.dfc_kernel else "no DFC")
    if "kernel" in own:
        parts.append(f"kernel {stage.kernel}")
    return ", ".join([*parts, *(["SE"] if stage.se else [])])


def write_note(study: "optuna.Study", number: int, text: str) -> None:
    """Store a trial's note, in the place of an earlier one.

    Args:
        study: The study in its storage.
        number: Trial number inside the study.
        text: Markdown.
    """
    trial_id, known = trial_id_of(study, number), system_attributes(study)
    version_key, prefix = f"dashboard:{trial_id}:note_ver", f"dashboard:{trial_id}:note_str:"
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    before = sum(key.startswith(prefix) for key in known)
    pieces += [""] * (before - len(pieces))  # a shorter note leaves empty pieces, which are read as nothing
    for index, piece in enumerate(pieces):
        set_system_attribute(study, f"{prefix}{index}", piece)
    # Version last: a killed write leaves a note that is not shown, rather than half a note.
    set_system_attribute(study, version_key, known.get(version_key, 0) + 1)
