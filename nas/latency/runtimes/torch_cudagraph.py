"""PyTorch as one CUDA graph: the kernels of eager mode without its launches.

Eager mode on a GPU spends most of a small detector's time in Python and in launching kernels. A graph, captured once
and replayed, leaves the kernels: the nearest that torch alone comes to a compiled engine. It is a runtime of its own
name, so that no latency is silently one or the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from nas.errors import LatencyError
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.runtimes.session import Session
from nas.latency.runtimes.torch_eager import arrays, placed, waiter
from nas.latency.types import LatencySettings

_WARM_UP = 5


@contextmanager
def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Session]:
    """Capture one run as a CUDA graph; `run` replays it.

    Raises:
        LatencyError: It is no torch model, there is no such device, or the model cannot be captured.
    """
    with placed(model, imgsz, settings) as there:
        import torch

        # Captured must be what a warm model does: cuDNN has chosen its kernels, Detect has made its anchors. Both
        # need memory and synchronisation, which a capture forbids, so they happen before, on a stream of their own.
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    there.module(there.picture)
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                outputs = there.module(there.picture)
        except Exception as error:
            raise LatencyError(
                f"the model cannot be captured as a CUDA graph: {error}; use --runtime torch, which runs it eagerly"
            ) from error
        wait = waiter(settings.device)

        def run() -> None:
            graph.replay()
            wait()

        # The graph writes to the same memory each time, so `outputs` holds the last run's.
        yield Session(run, lambda: arrays(outputs), there.feed)
