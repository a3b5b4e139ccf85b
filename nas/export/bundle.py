"""The bundle that a user takes home: a design that plain Ultralytics trains, without ghostnas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.blocks import MODULE_NAME
from nas.errors import ModelError, StorageError
from nas.latency import in_words
from nas.model import standalone_module, used_blocks
from nas.results import Design, Measured
from nas.util.paths import writable_dir
from nas.util.printable import printable

MODEL_FILE = "model.yaml"
README_FILE = "README.md"

_WITHOUT_NMS = """
Its head detects without NMS. Give `nms=False` to validation and export, too: left alone, Ultralytics takes the branches
that need NMS, which are there for training.
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A written bundle: its folder, its files, and the blocks of its module (none for a stock design)."""

    folder: Path
    files: tuple[Path, ...]
    blocks: tuple[str, ...]


def write_bundle(design: Design, folder: Path) -> Bundle:
    """Write the bundle of a design; earlier files of the same names are replaced.

    Args:
        design: A design with a model YAML.
        folder: Folder to write, created when missing.

    Raises:
        ModelError: The design is no model YAML, or cannot be built.
        StorageError: The folder cannot be written.
    """
    if design.path.suffix == ".pt":
        raise ModelError(
            f"{design.path} is a checkpoint; a bundle is made from a model YAML. "
            "To deploy a checkpoint give --format and --weights"
        )
    text = design.path.read_text(encoding="utf-8")
    blocks = used_blocks(text)
    from nas.model import build, is_nms_free

    nms_free = is_nms_free(build(text))
    contents = {
        MODEL_FILE: text,
        README_FILE: readme(design, blocks, nms_free),
        f"{MODULE_NAME}.py": standalone_module(blocks),
    }
    writable_dir(folder)
    try:
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write the bundle in {folder}: {error.strerror or error}") from error
    return Bundle(folder, tuple(folder / name for name in sorted(contents)), blocks)


def readme(design: Design, blocks: tuple[str, ...], nms_free: bool = False) -> str:
    """The bundle's README: the three lines to train it, what was measured, the licence.

    Args:
        design: The design.
        blocks: Our blocks that it uses.
        nms_free: Whether its head detects without NMS.
    """
    without = ", nms=False" if nms_free else ""
    size = (f", imgsz={design.imgsz}" if design.imgsz else "") + without
    first = f"import {MODULE_NAME}  # makes the blocks known to Ultralytics\n" if blocks else ""
    files = [f"- `{MODEL_FILE}`: the design, an Ultralytics model YAML"]
    holds = f"the blocks that it uses ({', '.join(blocks)}) and its export" if blocks else "its export"
    files.append(f"- `{MODULE_NAME}.py`: {holds}, self-contained")
    return f"""# {printable(design.label)}: a lightweight detector for Ultralytics

{chr(10).join(files)}

{_needs(blocks)} It starts from random weights: train it fully before use.

## Train

In this folder:

```python
{first}from ultralytics import YOLO
YOLO("{MODEL_FILE}").train(data="DATA.yaml", epochs=100{size})
```
{_usage(blocks)}{_size(design)}{_WITHOUT_NMS if nms_free else ""}
## Deploy

```python
import {MODULE_NAME}
{MODULE_NAME}.export("best.pt", imgsz={design.imgsz or 640}{without}, format="onnx")
```

This writes the graph that ghostnas measures in the runtimes that read ONNX. `YOLO("best.pt").export(...)` writes a
stock one with the same outputs, which takes longer.

## Measured

{_measured(design)}

## Licence

AGPL-3.0-or-later, as Ultralytics, on which it builds. <https://www.gnu.org/licenses/agpl-3.0.html>
"""


def _needs(blocks: tuple[str, ...]) -> str:
    if blocks:
        return "Needs `pip install 'ultralytics>=8.4.190,<8.5'`, nothing else."
    return (
        "Every row is one of Ultralytics' own: any Ultralytics trains it. To deploy it, "
        "`pip install 'ultralytics>=8.4.190,<8.5'` (Python 3.10 or newer)."
    )


def _usage(blocks: tuple[str, ...]) -> str:
    if not blocks:
        return ""
    return f"""
A checkpoint refers to `{MODULE_NAME}` by name: `import {MODULE_NAME}` before `YOLO("best.pt")`, with this
folder on Python's path. The `yolo` command finds it through `PYTHONPATH=.` when it loads a checkpoint; it
cannot build `{MODEL_FILE}` itself.
"""


def _size(design: Design) -> str:
    if not design.imgsz:
        return ""
    at = f"{design.imgsz} px"
    return f"\nIt was designed and measured for pictures of {at}: train, validate and deploy at that size.\n"


def _measured(design: Design) -> str:
    measured = design.measured()
    if measured is None:
        return "Nothing is recorded of this design: measure it with `ghostnas latency`."
    row, settings = measured.row, design.provenance.get("settings", {})
    lines = [f"- latency: {_latency(row, measured)}{_conditions(design.provenance)}"]
    if settings.get("target_ms") and row.get("meets_target"):
        verdict = "meets" if row["meets_target"] == "true" else "misses"
        by = " (measured once, when the search screened it)" if row.get("latency_level") == "screening" else ""
        lines.append(f"- {verdict} the target of {settings['target_ms']:g} ms{by}")
    if row.get("params") and row.get("gflops"):
        rule = str(design.provenance.get("counting_rule", "")).removeprefix("GFLOPs: ")
        lines.append(f"- {int(row['params']):,} parameters, {row['gflops']} GFLOPs{f' ({rule})' if rule else ''}")
    if row.get("map50_95"):
        lines.append(
            f"- mAP50-95 {_accuracy(row, settings)}: good for comparing designs within that search, not what full "
            "training reaches"
        )
    return "\n".join(lines)


def _accuracy(row: dict[str, str], settings: dict[str, Any]) -> str:
    """The score of the longest training, and what that was."""
    on = f" on {printable(settings['data'])}" if settings.get("data") else ""
    if row.get("rung_map50_95"):
        return f"{row['rung_map50_95']} after a training of {row['rung_steps']} steps{on}"
    steps = f" of {settings['steps']} steps" if settings.get("steps") else ""
    return f"{row['map50_95']} after a short training{steps}{on}"


def _latency(row: dict[str, str], measured: Measured) -> str:
    interval = ""
    if row.get("latency_low_ms") and row.get("latency_high_ms"):
        interval = f" (95% interval {row['latency_low_ms']} to {row['latency_high_ms']})"
    how = "in a fresh process" if measured.fresh else "a quick screening measurement"
    return f"{row['latency_ms']} ms{interval}, {how}"


def _conditions(provenance: dict[str, Any]) -> str:
    settings = provenance.get("settings")
    if not settings:
        return ""
    place, device = settings.get("place", "local"), settings.get("device", "cpu")
    here = provenance if place == "local" else {}  # `machine` and `versions` are of the machine that searched
    named = provenance.get("device") or here.get("machine", {}).get("processor", "")
    version = here.get("versions", {}).get(settings["runtime"], "")
    runtime = provenance.get("runtime") or f"{settings['runtime']} {version}".rstrip()
    statistic = in_words(settings.get("statistic", "quiet"), settings.get("sustained_s"))
    scope = "compute only" if settings.get("scope", "compute") == "compute" else "compute and copies"
    return (
        f"; {runtime}, {settings['precision']}, {settings['threads']} thread(s), batch 1, {scope} (no NMS), "
        f"{statistic}, on {place} {device}{f' ({named})' if named else ''}"
    )
