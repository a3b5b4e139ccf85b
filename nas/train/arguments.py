"""What a training is asked for: Ultralytics' arguments, completed by the design and its search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from nas.data import SOURCES_FILE, DetectionData, load
from nas.errors import DataError, ModelError, UsageError
from nas.inherit import SourceChoice
from nas.model import Losses, is_nms_free, know_bundled_blocks, load_file, load_model, resumable
from nas.proxy import check_strides, load_known
from nas.results import Design
from nas.train.callbacks import (
    LOSS_WORDS,
    LOSSES_FILE,
)
from nas.train.start import Start, start_of
from nas.util.plain_path import plain_folder, plain_name, read_as_it_is

ARGUMENT_ERRORS = (SyntaxError, ValueError, TypeError, AssertionError)
"""What Ultralytics raises of an argument that is wrong."""
_OTHER_CHECKPOINTS = ("pretrained", "distill_model")


@dataclass(frozen=True, slots=True)
class Training:
    """What to train.

    Attributes:
        model: Model YAML or checkpoint.
        data: Data YAML, None for the embedded set.
        digest: Of the data that it must hold, None where any will do.
        arguments: Ultralytics arguments, complete.
        losses: What is penalised.
        project: Folder of the trainings, which gets the data as Ultralytics is to read them.
        start: What the design begins with; None from scratch.
    """

    model: Path
    data: str | None
    digest: str | None
    arguments: Mapping[str, Any]
    losses: Losses
    project: Path
    start: Start | None = None


def parse_arguments(words: Sequence[str]) -> dict[str, Any]:
    """Parse `key=value` words as the `yolo` command does, and check names, types and ranges.

    Besides Ultralytics' own there are `class_loss` (`bce`, `focal`) and `box_loss` (`ciou`, `giou`).

    Raises:
        UsageError: A word is not `key=value`, the key is unknown (suggests the nearest), or the value is out
            of range.
    """
    from ultralytics.cfg import check_cfg, check_dict_alignment, merge_equals_args, parse_key_value_pair
    from ultralytics.utils import DEFAULT_CFG_DICT, LOGGER

    arguments: dict[str, Any] = {}
    for word in merge_equals_args(list(words)):
        if "=" not in word and DEFAULT_CFG_DICT.get(word) in (True, False):
            arguments[word] = True
            continue
        if "=" not in word:
            raise UsageError(f"training arguments are written key=value, such as epochs=100; got {word!r}")
        try:
            key, value = parse_key_value_pair(word.removeprefix("--"))
        except ARGUMENT_ERRORS as error:
            raise UsageError(f"cannot read the training argument {word!r}: {error}") from error
        if key in ("model", "mode", "task", "cfg", "split"):
            raise UsageError(f"{key}= is fixed by `ghostnas train`; for anything else use `ghostnas yolo`")
        arguments[key] = value
    level = LOGGER.level
    LOGGER.setLevel("ERROR")  # the check below prints the whole help of `yolo` first
    try:
        check_dict_alignment({**DEFAULT_CFG_DICT, **dict.fromkeys(LOSS_WORDS)}, arguments)
        check_cfg({key: value for key, value in arguments.items() if key not in LOSS_WORDS})
    except ARGUMENT_ERRORS as error:
        raise UsageError(" ".join(str(error).split())) from error
    finally:
        LOGGER.setLevel(level)
    return arguments


def complete(
    design: Design, arguments: Mapping[str, Any], source: SourceChoice | None = None, *, fresh: bool = False
) -> Training:
    """A training with defaults filled in: the design's input size, its run's data, a folder for the results.

    It goes on from the weights that the design's search left, where nothing else is said of its beginning.

    Args:
        design: What to train.
        arguments: What the user asked for, which always wins.
        source: A checkpoint, or a YOLO11 with fresh weights, whose channels the design begins with.
        fresh: Whether it begins with fresh weights.

    Raises:
        UsageError: There is no data, neither given nor known from a run; other weights were asked for as well; or
            there is no unfinished training to resume.
        ModelError: The source is no checkpoint of a detector, or another checkpoint that was named is not there.
    """
    if fresh:
        _check_fresh(design, arguments, source)
    if source is not None:
        _check_source(design, arguments, source)
    for key in _OTHER_CHECKPOINTS:
        if isinstance(arguments.get(key), str) and not Path(arguments[key]).is_file():
            raise ModelError(f"{key}={arguments[key]}: there is no such checkpoint, and nothing is downloaded")
        if str(arguments.get(key)).endswith(".pt"):
            load_file(Path(arguments[key]))  # refuses what needs more than known classes
    if arguments.get("resume"):
        return _resumed(design, arguments)
    defaults: dict[str, Any] = {"name": plain_name(design.label)}
    if not read_as_it_is(Path(str(arguments.get("name", "")))):
        raise UsageError(f"name={arguments['name']}: Ultralytics cannot read such a folder's name; give a plainer one")
    if _is_nms_free(design):
        defaults["nms"] = False  # Ultralytics' word for validating with the branches that need none
    if design.imgsz is not None:
        defaults["imgsz"] = design.imgsz
    # Ultralytics would put a relative project below `runs/detect`.
    given = arguments.get("project") or (design.run / "train" if design.run else "runs/train")
    project = Path(str(given)).absolute()
    asked = {**arguments, "project": str(project)}
    losses = losses_of(design, asked)
    known = {**defaults, **asked}
    start = None if source is None else start_of(source, design, known, losses)
    own = design.weights if start is None and not fresh and arguments.get("pretrained", True) is True else None
    return Training(own or design.path, *_data(design, arguments), known, losses, project, start)


def _check_fresh(design: Design, arguments: Mapping[str, Any], source: SourceChoice | None) -> None:
    """Raises UsageError where something else is said of a training's beginning, too."""
    others = [f"{word}=" for word in ("pretrained", "resume") if arguments.get(word)]
    if source is not None or others:
        named = "--from" if source is not None else others[0]
        raise UsageError(f"--from-scratch and {named} both say what a training begins with; give one of them")
    if design.path.suffix == ".pt":
        raise UsageError(f"{design.path} has weights of its own; --from-scratch is for a design, a model YAML or a run")


def _check_source(design: Design, arguments: Mapping[str, Any], source: SourceChoice) -> None:
    """Raises UsageError where a training has another beginning too, ModelError where the source cannot be loaded."""
    if any(arguments.get(word) for word in ("pretrained", "resume")):
        raise UsageError("--from, pretrained= and resume= all say what a training begins with; give one of them")
    if design.path.suffix == ".pt":
        raise UsageError(f"{design.path} has weights of its own; --from is for a design, a model YAML or a run")
    if isinstance(source, Path):
        load_known(str(source))


def _resumed(design: Design, arguments: Mapping[str, Any]) -> Training:
    """A training that goes on from its checkpoint: the design's own file, or the one that `resume=` names."""
    asked = {**arguments}
    checkpoint = Path(asked["resume"]) if isinstance(asked["resume"], str) else design.path
    known = resumable(checkpoint)
    asked["resume"] = str(checkpoint.absolute())  # of `True`, Ultralytics makes a new training where it cannot resume
    plain_folder(checkpoint.absolute().parents[2])  # the training's own link, where its path needs one
    losses = losses_of(replace(design, path=checkpoint), asked)
    given = asked.get("data")
    data, digest = (str(given), None) if given else (str(known["data"]), _viewed(Path(known["data"])))
    return Training(checkpoint, data, digest, asked, losses, Path(known["save_dir"]).parent)


def _viewed(data: Path) -> str | None:
    """The digest of the data that a training read: the name of the folder that was written for it."""
    return data.parent.parent.name if (data.parent / SOURCES_FILE).is_file() else None


def with_teacher(design: Design, arguments: Mapping[str, Any], checkpoint: Path) -> dict[str, Any]:
    """Training arguments with which a checkpoint teaches a design (Ultralytics' distillation).

    Args:
        design: What is trained.
        arguments: What the user asked for.
        checkpoint: An Ultralytics checkpoint of a detector.

    Raises:
        ModelError: The checkpoint cannot be loaded.
        UsageError: It cannot teach this design, or another teacher was asked for as well.
    """
    if "distill_model" in arguments:
        raise UsageError("--teacher and distill_model= both name a teacher; give one of them")
    teacher = load_known(str(checkpoint))
    check_strides(teacher, load_model(design.path), str(checkpoint))
    return {**arguments, "distill_model": str(checkpoint.absolute())}


def _is_nms_free(design: Design) -> bool:
    know_bundled_blocks()
    return is_nms_free(load_model(design.path))


def losses_of(design: Design, asked: dict[str, Any]) -> Losses:
    """The losses asked for, else those that the checkpoint was trained with, else those of the design's run.

    They are taken out of what Ultralytics is given.
    """
    known = {**LOSS_WORDS, **design.provenance.get("settings", {})}
    kept = design.path.absolute().parent.parent / LOSSES_FILE  # beside the folder `weights`
    if design.path.suffix == ".pt" and kept.is_file():
        known |= yaml.safe_load(kept.read_text(encoding="utf-8"))
    return Losses(*(str(asked.pop(word, known[word])) for word in LOSS_WORDS))


def _data(design: Design, arguments: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The data YAML to train on (None for the embedded set), and the digest of what it must hold."""
    if arguments.get("data"):
        return str(arguments["data"]), None
    known = design.provenance
    settings = known.get("settings", {})
    if "data_yaml" in known:
        return None if known["data_yaml"] is None else str(known["data_yaml"]), settings.get("data_digest")
    if settings.get("data") == "embedded":
        return None, None
    raise UsageError(f"say what to train {design.path} on: data=DATA.yaml")


def data_to_train_on(training: Training) -> DetectionData:
    """The data set, if it is the one that was meant.

    Raises:
        DataError: It cannot be used, or it holds other pictures, labels or classes than it should.
    """
    data = load(training.data)
    if training.digest not in (None, data.digest):
        raise DataError(
            f"{data.source} holds other pictures, labels or class names (digest {data.digest}) than {training.model} "
            f"was found or trained on ({training.digest}); put them back, or name what to train on: data=DATA.yaml"
        )
    return data
