"""The one interface of every runtime: a session that runs a model once on a fixed input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError
from nas.latency.runtimes.plain_words import TRY, reasons

_SEED = 20221123
_MOST_SUBNORMAL = 0.01
"""A share of outputs. Scores so small that they underflow are a handful; a graph whose values fade away has many."""


@dataclass(frozen=True, slots=True)
class Session:
    """A model loaded into a runtime, its input in place.

    Attributes:
        run: Runs the model once and returns when its outputs are there (on a GPU: synchronised).
        outputs: The outputs of the last run.
        feed: Puts another picture into the input's place, (1, 3, imgsz, imgsz) float32.
        build_s: Seconds that an engine took to build on the device, which no latency contains; 0 where none is built.
    """

    run: Callable[[], None]
    outputs: Callable[[], Sequence[NDArray[np.float32]]]
    feed: Callable[[NDArray[np.float32]], None]
    build_s: float = 0.0


def image(imgsz: int) -> NDArray[np.float32]:
    """The input of every measurement: one RGB picture of uniform noise in [0, 1), always the same.

    Returns:
        Shape (1, 3, imgsz, imgsz).
    """
    return np.random.default_rng(_SEED).random((1, 3, imgsz, imgsz), dtype=np.float32)


def check_input(shape: Sequence[int | str | None], dtype: str, imgsz: int) -> None:
    """Check that a model takes the picture of `image(imgsz)`.

    Args:
        shape: The model's declared input shape; text or None for a free dimension.
        dtype: The model's declared input type, in its runtime's words.
        imgsz: Square input size in pixels.

    Raises:
        LatencyError: It takes another shape or another type.
    """
    wanted = (1, 3, imgsz, imgsz)
    fits = len(shape) == 4 and all(
        not isinstance(have, int) or have in (need, -1) for have, need in zip(shape, wanted, strict=False)
    )
    if not fits:
        raise LatencyError(
            f"the model's input has shape {tuple(shape)}, the measurement needs {wanted}; export it at "
            f"batch 1 and imgsz {imgsz}, or pass the size it was exported at"
        )
    if "float" not in dtype.replace("f32", "float") or "16" in dtype:
        raise LatencyError(f"the model's input must be float32, got {dtype}; export it in float32")


def check_finite(session: Session) -> None:
    """Run once and check every output, before any clock starts.

    Raises:
        LatencyError: The model failed, an output holds NaN or infinity, or many subnormal numbers.
    """
    try:
        session.run()
        outputs = session.outputs()
    except Exception as error:
        raise LatencyError(f"the model does not run in this runtime: {reasons(error)}; {TRY}") from error
    if not outputs:
        raise LatencyError("the model has no output, so its latency would mean nothing")
    for index, output in enumerate(outputs):
        if not output.size:
            raise LatencyError(
                f"output {index} of the model is empty on a picture of noise, its shape {output.shape}; how long NMS "
                "takes hangs on what is detected: export the model without it"
            )
        wrong = output.size - int(np.isfinite(output).sum())
        if wrong:
            raise LatencyError(
                f"output {index} of the model holds {wrong} values of {output.size} that are NaN or infinite "
                "on a picture of noise, and arithmetic on such values takes another time than on real ones"
            )
        fading = int(((output != 0) & (np.abs(output) < np.finfo(np.float32).tiny)).sum())
        if fading > _MOST_SUBNORMAL * output.size:
            raise LatencyError(
                f"output {index} of the model holds {fading} subnormal values (below 1.2e-38) of {output.size}, "
                "and arithmetic on such values can take many times longer than on others; the signal fades from layer "
                "to layer: give the model other weights or normalisation"
            )
