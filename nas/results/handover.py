"""What a finished search hands over trained: checkpoints, and the very file that was measured of the best."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from nas.architecture import to_yaml
from nas.blocks import MODULE_NAME
from nas.errors import StudyError
from nas.latency import prepared_name
from nas.results.folder import CHECKPOINT_FILE, FRONT
from nas.results.trained_checkpoint import write_trained
from nas.study import Finalist, Outcome, finalist_weights, measured_file
from nas.util.atomic_files import write_whole


def hand_over(outcome: Outcome) -> None:
    """Write `best.pt`, the checkpoints of the other finalists that were promoted, their blocks, and the measured file.

    Without a best design there is neither `best.pt` nor a measured file. Those of an earlier outcome are gone already
    (`write`).

    Raises:
        StudyError: Weights or the measured file are not in `models/`.
        StorageError: A file cannot be written.
    """
    folder, best = outcome.folder, outcome.best
    others = [one for one in outcome.finalists if one.longest is not None and one is not best]
    for finalist in others:
        write_trained(outcome, finalist, folder / FRONT / f"{finalist.record.label}.pt")
    _write_blocks(outcome, others, folder / FRONT)
    if best is not None:
        write_trained(outcome, best, folder / CHECKPOINT_FILE)
        _write_blocks(outcome, [best], folder)
        write_whole(folder / prepared_name("best", outcome.settings.latency), measured_bytes(outcome, best))


def measured_bytes(outcome: Outcome, finalist: Finalist) -> bytes:
    """The file whose latency and val are a finalist's.

    Raises:
        StudyError: It is not in `models/`, or another one is.
    """
    path = measured_file(finalist_weights(outcome.folder, finalist), outcome.settings.latency)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"the measured file {path} cannot be read ({error.strerror or error}); the same command makes it again"
        ) from error
    if hashlib.sha256(data).hexdigest() != finalist.final.file:
        raise StudyError(f"{path} is not the file that was measured; delete it, and the same command makes it again")
    return data


def _write_blocks(outcome: Outcome, finalists: Iterable[Finalist], folder: Path) -> None:
    """Write the module that checkpoints of these designs name, where they name any."""
    from nas.model import standalone_module, used_blocks

    yamls = (to_yaml(one.evaluation.architecture, outcome.settings.data.classes) for one in finalists)
    blocks = tuple(sorted({block for text in yamls for block in used_blocks(text)}))
    if blocks:
        write_whole(folder / f"{MODULE_NAME}.py", standalone_module(blocks).encode())
