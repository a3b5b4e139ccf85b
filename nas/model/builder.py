"""From a model YAML to a module, its counts and its ONNX graph.

Counts are Ultralytics' own: twice the multiply-adds that `thop` (the `ultralytics-thop` package) counts on
the fused model. They are taken at the real input size: Ultralytics' `get_flops` counts on a tiny picture and
scales up, which is wrong where a DFC pool meets a map smaller than itself, and answers 0.0 when anything
fails.
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from ultralytics.nn import tasks
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head import Detect
from ultralytics.nn.tasks import DetectionModel

from nas.blocks import REGISTERED
from nas.errors import ModelError
from nas.model.checkpoint_loading import load_detector, settle_loading
from nas.util.plain_path import plainly

# `parse_model` keeps the activation in a class attribute, seeding uses torch's global generator, and the ONNX
# exporter has state of its own: one at a time in a process. Re-entrant, because to_onnx() fuses.
BUILD_LOCK = threading.RLock()


def register() -> None:
    """Make our blocks known to Ultralytics' parser and to its loading of checkpoints (idempotent)."""
    settle_loading()
    for name, module in REGISTERED.items():
        setattr(tasks, name, getattr(import_module(module), name))


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Seed torch's CPU generator and put it back afterwards; None leaves it as it is."""
    if seed is None:
        yield
        return
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


@contextmanager
def _without_eval() -> Iterator[None]:
    """Ultralytics' parser takes known layers alone and evaluates no text, whether or not checkpoints are trusted."""
    before, tasks.SAFE_LOAD = tasks.SAFE_LOAD, True
    try:
        yield
    finally:
        tasks.SAFE_LOAD = before


def build(yaml_text: str, nc: int | None = None, seed: int | None = None) -> DetectionModel:
    """Build a detector from the text of a model YAML.

    Args:
        yaml_text: Ultralytics model YAML with concrete channels (no file name can add a scale).
        nc: Number of classes, where it differs from the YAML's.
        seed: Seed of the weights; torch's global generator is left as it was. None draws from that generator.

    Returns:
        The model in training mode, float32, on the CPU.

    Raises:
        ModelError: The text is no model YAML, or names a module or a width that cannot be built.
    """
    try:
        config = yaml.safe_load(yaml_text)
    except yaml.YAMLError as error:
        raise ModelError(f"the model YAML cannot be parsed: {error}") from error
    _check_config(config, "the model YAML")
    return _construct(config, nc, seed, "the model YAML")


def _check_config(config: object, what: str) -> None:
    if not isinstance(config, dict) or not {"nc", "backbone", "head"} <= config.keys():
        raise ModelError(f"{what} must have the keys nc, backbone and head")


def _construct(config: dict[str, Any], nc: int | None, seed: int | None, what: str) -> DetectionModel:
    register()
    if nc is not None:
        config = {**config, "nc": nc}
    with BUILD_LOCK, _seeded(seed), _without_eval():
        activation = Conv.default_act
        try:
            model = DetectionModel(config, verbose=False)
        except Exception as error:  # whatever a layer's constructor or the first forward raises
            why = " ".join(str(error).split())
            raise ModelError(f"{what} cannot be built: {type(error).__name__}: {why}") from error
        finally:
            # Ultralytics puts it back only when parsing succeeds; the next model would inherit it.
            Conv.default_act = activation
    _check_detector(model, what)
    return model


def _check_detector(model: object, what: str) -> None:
    head = model.model[-1] if isinstance(model, DetectionModel) else model
    # Segmentation, pose and oriented-box heads are subclasses of Detect.
    if not isinstance(head, Detect) or tasks.guess_model_task(model) != "detect":
        raise ModelError(f"{what} must end in a detection head, got {type(head).__name__}")


def load_model(path_or_name: str | Path, nc: int | None = None) -> DetectionModel:
    """Load any detector that Ultralytics can: a model YAML, a checkpoint, or a stock name such as
    `yolo11n.yaml`.

    Args:
        path_or_name: A file, or the name of a model YAML that Ultralytics ships.
        nc: Number of classes for a YAML, where it differs from the YAML's.

    Returns:
        The model, float32, on the CPU: a YAML's in training mode, a checkpoint's in evaluation mode.

    Raises:
        ModelError: There is no such file or name (nothing is downloaded), or it is not a detector.
    """
    path = Path(path_or_name)
    suffix = path.suffix.lower()
    if suffix not in {".yaml", ".yml", ".pt"}:
        raise ModelError(f"a model must be a .yaml or .pt file, got {str(path)!r}")
    if suffix == ".pt":
        return _load_checkpoint(path)
    try:
        if not path.is_file() and path.parent != Path():
            raise FileNotFoundError(path)
        with plainly(path) as file:
            config = {**tasks.yaml_model_load(file), "scale": tasks.guess_model_scale(path), "yaml_file": str(path)}
    except FileNotFoundError as error:
        raise ModelError(f"no model file {str(path)!r}, and Ultralytics ships none of that name") from error
    except (yaml.YAMLError, TypeError, AttributeError, ValueError) as error:
        why = " ".join(str(error).partition("Verify YAML")[0].split())  # Ultralytics adds the address of a web page
        raise ModelError(f"{path} is not a model YAML: {why}") from error
    _check_config(config, str(path))
    if config["scale"] and not config.get("scales"):
        raise ModelError(
            f"{path}: Ultralytics reads the scale {config['scale']!r} from this file name and would "
            "change the C3k2 rows, but the model has no scales; rename the file"
        )
    return _construct(config, nc, None, str(path))


def _load_checkpoint(path: Path) -> DetectionModel:
    if not path.is_file():
        raise ModelError(f"no checkpoint {str(path)!r} (nothing is downloaded)")
    register()
    model = load_detector(path)
    model = getattr(model, "student_model", model)  # of an interrupted distillation
    _check_detector(model, str(path))
    return model


def is_nms_free(model: DetectionModel) -> bool:
    """Whether a model has one of our heads with one-to-one branches, which were made to detect without NMS.

    Of a stock head with both kinds of branches Ultralytics deploys the one that needs NMS, unless asked otherwise.
    """
    head = model.model[-1]
    return type(head).__name__ in REGISTERED and getattr(head, "one2one_cv2", None) is not None


def fused(model: DetectionModel) -> DetectionModel:
    """A copy for inference: evaluation mode, every BatchNorm folded, no gradients, the branches that NMS needs gone
    where the model does without it.

    Raises:
        ModelError: A BatchNorm is left that Ultralytics could not fold.
    """
    copied = copy.deepcopy(model).eval()
    if is_nms_free(copied):  # Ultralytics' validation switches to the other branches
        copied.end2end = True
    with torch.no_grad():
        copied.fuse(verbose=False)
    left = [name for name, module in copied.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    if left:
        raise ModelError(f"fusing left a BatchNorm in {', '.join(left[:3])}: every one must follow a convolution")
    return copied.requires_grad_(False)


def blank(model: DetectionModel, imgsz: int) -> torch.Tensor:
    """An empty picture (1, 3, imgsz, imgsz) of the model's type, on its device."""
    first = next(model.parameters())
    return torch.zeros(1, first.shape[1], imgsz, imgsz, device=first.device, dtype=first.dtype)
