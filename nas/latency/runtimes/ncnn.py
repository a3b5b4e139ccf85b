"""ncnn on the CPU."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError, RuntimeMissing
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.artifacts.ncnn_pack import INPUT, OUTPUT, NcnnModel, unpack
from nas.latency.runtimes.session import Session, check_input, image
from nas.latency.types import LatencySettings


@contextmanager
def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Session]:
    """Load ncnn's two files, float32 throughout or float16 throughout.

    Raises:
        LatencyError: It is no ncnn model or one of another size, or it cannot be loaded.
        RuntimeMissing: The CPU lacks the precision.
    """
    import ncnn

    if model.kind != "ncnn":
        raise LatencyError(f"runtime ncnn needs the model as ncnn's own files, got {model.kind}")
    half = settings.precision == "float16"
    if half and not ncnn.cpu_support_arm_asimdhp():
        # Elsewhere ncnn at most stores halves and computes in float32, without saying so.
        raise RuntimeMissing(
            "ncnn has float16 arithmetic on ARM CPUs with asimdhp only; measure with --precision float32"
        )
    files = unpack(model.data)
    check_input((1, 3, files.imgsz, files.imgsz), "float32", imgsz)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = settings.threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = half
    net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
    _load(net, files)
    names = net.output_names()
    held = np.ascontiguousarray(image(imgsz)[0])  # (3, imgsz, imgsz); ncnn knows no batch
    picture = ncnn.Mat(held)  # shares the memory
    last: list[Any] = []

    def run() -> None:
        with net.create_extractor() as extractor:
            failed = extractor.input(INPUT, picture)
            found = []
            for name in names:  # ncnn computes only what an output that is asked for needs
                code, output = extractor.extract(name)
                failed = failed or code
                found.append(output)
            if failed:
                raise LatencyError(f"ncnn stopped with code {failed}")
            last[:] = found

    def outputs() -> list[NDArray[np.float32]]:
        return [np.array(output, dtype=np.float32)[None] for output in last]

    def feed(new: NDArray[np.float32]) -> None:
        held[:] = new[0]

    try:
        yield Session(run, outputs, feed)
    finally:
        last.clear()  # before the network that owns their memory
        net.clear()


def _load(net: Any, files: NcnnModel) -> None:
    # ncnn's Python takes the weights from a file only.
    with tempfile.TemporaryDirectory(prefix="ghostnas-") as folder:
        paths = [Path(folder) / name for name in ("model.param", "model.bin")]
        for path, content in zip(paths, (files.param, files.weights), strict=True):
            path.write_bytes(content)
        if net.load_param(str(paths[0])) or net.load_model(str(paths[1])):
            raise LatencyError("ncnn cannot load the model; it may need a newer ncnn than the one that is installed")
    if INPUT not in net.input_names() or OUTPUT not in net.output_names():
        raise LatencyError(f"an ncnn model must have the input {INPUT} and the output {OUTPUT}")
