"""Checkpoints that are none, that cannot be used, or that need more than known classes."""

import os
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from tests.cli.bad.case import Case, Prepare, both, text
from tests.cli.bad.data_sets import good

_FILE = "bad.pt"
_RAN = "ran"
"""A file that is there where a checkpoint has run code."""


class RunsCode:
    """Pickled as a call: whoever loads it without care makes the file `ran`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


class Unknown(torch.nn.Module):
    """A module that neither torch nor Ultralytics nor ghostnas has."""


def saved(content: Any, legacy: bool = False) -> bytes:
    file = BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


@cache
def _detector(yaml: str = "yolo11n.yaml") -> Any:
    from ultralytics.nn import tasks

    kind = tasks.SegmentationModel if "-seg" in yaml else tasks.DetectionModel
    before, tasks.LOGGER.disabled = tasks.LOGGER.disabled, True  # it may hold the captured output of another test
    try:
        return kind(yaml, nc=3, verbose=False)
    finally:
        tasks.LOGGER.disabled = before


def _checkpoint(model: Any, **more: Any) -> bytes:
    return saved({"model": model, "ema": None, "train_args": {"imgsz": 64}, **more})


def _writes(make: Callable[[], bytes]) -> Prepare:
    return lambda folder: (folder / _FILE).write_bytes(make()) and None


def _diverged() -> bytes:
    import copy

    model = copy.deepcopy(_detector())
    model.model[0].conv.weight.data[0] = float("nan")
    return _checkpoint(model, train_metrics={"fitness": 0.5})


_NEEDS_MORE: dict[str, tuple[Callable[[], bytes], str]] = {
    "os-system": (lambda: saved({"model": RunsCode(os.system, f"touch {_RAN}")}), "needs posix.system"),
    "open": (lambda: saved({"model": RunsCode(open, _RAN, "w")}), "needs io.open"),
    "eval": (lambda: saved({"model": RunsCode(eval, f"open({_RAN!r}, 'w')")}), "needs eval,"),
    "old-format": (lambda: saved({"model": RunsCode(os.system, f"touch {_RAN}")}, legacy=True), "needs posix.system"),
    "in-the-arguments": (
        lambda: saved({"model": None, "train_args": RunsCode(os.mkdir, _RAN)}),
        "needs posix.mkdir",
    ),
    "unknown-class": (lambda: saved({"model": Unknown()}), f"needs {__name__}.Unknown"),
    "deferred": (
        lambda: saved({"model": RunsCode(getattr, torch.nn.Linear, "__init__")}),
        "needs getattr(type, '__init__')",
    ),
}

_NO_CHECKPOINT: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "bad.pt"),
    "text": (lambda: b"no checkpoint", "bad.pt"),
    "web-page": (lambda: b"<!doctype html><html>404</html>", "bad.pt"),
    "lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\nsize 1\n", "bad.pt"),
    "cut-short": (lambda: saved({"model": torch.zeros(99)})[:200], "bad.pt"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(64), "bad.pt"),
    "list": (lambda: saved([1, 2, 3]), "bad.pt"),
    "tensor": (lambda: saved(torch.zeros(3)), "bad.pt"),
    "number": (lambda: saved(3), "bad.pt"),
    "weights-alone": (lambda: saved({"a": torch.zeros(3)}), "bad.pt"),
    "model-is-text": (lambda: saved({"model": "yolo11n"}), "bad.pt"),
    "plain-layer": (lambda: saved({"model": torch.nn.Linear(2, 2)}), "bad.pt"),
}

_UNFIT: dict[str, tuple[Callable[[], bytes], str]] = {
    "segmenter": (lambda: _checkpoint(_detector("yolo11n-seg.yaml")), "must end in a detection head"),
    "diverged": (_diverged, "not finite"),
}

_INHERIT = ("inherit", _FILE, "yolo11-n", "--out", "start.pt")
_EXPORT = ("export", "--format", "onnx", "--weights", _FILE)
_LATENCY = ("latency", _FILE)
_PREDICT = ("latency", "predict", _FILE, "--from", "no-such-run")
_TRAIN = ("train", _FILE, "data=data.yaml")
_SEARCH = ("search", "--space", "ghostv2-n", "--workers", "0", "--data", "data.yaml")
_EVERYWHERE = {
    "export": _EXPORT,
    "latency": _LATENCY,
    "train": _TRAIN,
    "train-teacher": ("train", "design.yaml", "--teacher", _FILE, "data=data.yaml"),
    "train-from": ("train", "design.yaml", "--from", _FILE, "data=data.yaml"),
    "train-pretrained": ("train", "design.yaml", f"pretrained={_FILE}", "data=data.yaml"),
    "train-distill": ("train", "design.yaml", f"distill_model={_FILE}", "data=data.yaml"),
    "train-resume": ("train", _FILE, "resume=True"),
    "search-from": (*_SEARCH, "--from", _FILE),
    "search-teacher": (*_SEARCH, "--teacher", _FILE),
    "inherit-out": ("inherit", "yolo11n.pt", "yolo11-n", "--out", _FILE),
    "yolo": ("yolo", "val", f"model={_FILE}", "data=data.yaml"),
}


def _a_design(folder: Path) -> None:
    from nas.architecture import to_yaml
    from nas.space import yolo11

    (folder / "design.yaml").write_text(to_yaml(yolo11("n", 64), 3))


_ANYWHERE = {"inherit-out": "is there already"}

CASES = (
    *(
        Case(f"checkpoint-{name}", _INHERIT, says, _writes(make))
        for name, (make, says) in (_NEEDS_MORE | _NO_CHECKPOINT | _UNFIT).items()
    ),
    *(
        Case(f"export-checkpoint-{name}", _EXPORT, says, _writes(make))
        for name, (make, says) in (_NO_CHECKPOINT | {"diverged": _UNFIT["diverged"]}).items()
    ),
    *(
        Case(f"latency-checkpoint-{name}", _LATENCY, says, _writes(make))
        for name, (make, says) in _NO_CHECKPOINT.items()
    ),
    *(
        Case(
            f"{name}-refuses-code",
            words,
            _ANYWHERE.get(name, "needs posix.system, which is no class of torch, Ultralytics or ghostnas"),
            both(good, _a_design, _writes(_NEEDS_MORE["os-system"][0])),
        )
        for name, words in _EVERYWHERE.items()
    ),
    Case("refusal-says-trust", _INHERIT, "add --trust", _writes(_NEEDS_MORE["unknown-class"][0])),
    Case("export-untrained", _EXPORT, "holds no trace of a training", _writes(lambda: _checkpoint(_detector()))),
    Case("train-resume-nothing", ("train", "design.yaml", "resume=gone.pt"), "gone.pt", _a_design),
    Case(
        "train-resume-finished",
        ("train", _FILE, "resume=True"),
        "cannot be resumed",
        both(_a_design, _writes(lambda: _checkpoint(_detector()))),
    ),
    Case(
        "checkpoint-is-a-folder",
        ("inherit", "a.pt", "yolo11-n", "--out", "b.pt"),
        "there is no checkpoint a.pt",
        text("a.pt/b", ""),
    ),
)
