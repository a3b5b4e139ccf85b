"""An exported file as a detector: the bytes that are timed are the bytes that are scored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nas.latency.artifacts.sized import Sized
from nas.latency.runtimes.registry import open_session
from nas.latency.runtimes.session import check_finite
from nas.latency.types import LatencySettings

Pixels = NDArray[np.float32]


@contextmanager
def opened_for_pictures(model: Sized, settings: LatencySettings) -> Iterator[Callable[[Pixels], Pixels]]:
    """Open a file in its runtime and precision, on this machine.

    Yields:
        From pictures (B, 3, imgsz, imgsz), float32 in [0, 1], to the first output, (B, 4 + classes, anchors); one
        picture at a time, as it is timed.

    Raises:
        RuntimeMissing: The runtime is not installed here.
        LatencyError: The file does not run.
    """
    with open_session(model.model, model.imgsz, replace(settings, scope="compute")) as session:
        check_finite(session)

        def predict(pictures: Pixels) -> Pixels:
            found = []
            for picture in pictures:
                session.feed(np.ascontiguousarray(picture[None], dtype=np.float32))
                session.run()
                found.append(np.array(session.outputs()[0], dtype=np.float32))
            return np.concatenate(found)

        yield predict
