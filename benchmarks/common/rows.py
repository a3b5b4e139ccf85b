"""What the latency benchmarks share: models of a wanted cost, a CPU hog, rows that survive an interruption."""

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from nas.architecture import to_yaml
from nas.latency import SizedModel
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, to_onnx
from nas.space import yolo11

# Name, width and input size of a YOLO11n: about 2, 8, 25 and 60 ms on one core of a 2023 server.
MODELS = (
    ("yolo11n x0.5, 160 px", 0.5, 160),
    ("yolo11n, 192 px", 1.0, 192),
    ("yolo11n, 352 px", 1.0, 352),
    ("yolo11n, 576 px", 1.0, 576),
)


# Ends with whoever started it, also when that is killed.
HOG = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


def stock(width: float, imgsz: int) -> SizedModel:
    """A YOLO11n of that width as ONNX, seeded: the same bytes in every run."""
    model = build(to_yaml(yolo11("n", imgsz, width), 6), seed=0)
    return SizedModel(ModelBytes("onnx", to_onnx(model, imgsz)), imgsz)


@contextmanager
def hog(where: str) -> Iterator[None]:
    """One busy program: `none`, `free` to be scheduled anywhere, or `pinned` to the processor that measures too.

    For `pinned`, this process and what it starts stay on that one processor.
    """
    if where == "none":
        yield
        return
    command = [sys.executable, "-c", HOG]
    before = os.sched_getaffinity(0)
    try:
        if where == "pinned":
            os.sched_setaffinity(0, {min(before)})
        busy = subprocess.Popen(command)
    except OSError as error:
        raise SystemExit(f"cannot start the hog: {error}") from error
    try:
        yield
    finally:
        busy.kill()
        busy.wait()
        os.sched_setaffinity(0, before)


class Rows:
    """A CSV file that grows row by row; a run that is started again goes on after the last row."""

    def __init__(self, path: Path, header: Sequence[str], fresh: bool) -> None:
        """Open a file, or begin it."""
        self._path, self._header = path, list(header)
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh or not path.is_file():
            with path.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(self._header)
        with path.open(newline="") as file:
            if next(csv.reader(file)) != self._header:
                raise SystemExit(f"{path} has other columns than this benchmark writes; begin it anew with --fresh")

    @classmethod
    def asked_for(
        cls, parser: argparse.ArgumentParser, path: Path, header: Sequence[str], unit: str
    ) -> tuple[argparse.Namespace, Self]:
        """Add the options that all row by row benchmarks have, read the command line, and open the file."""
        parser.add_argument("--at-most", type=int, default=-1, help=f"end after this many {unit}")
        parser.add_argument("--csv", type=Path, default=path)
        parser.add_argument("--fresh", action="store_true", help="begin the CSV file anew")
        arguments = parser.parse_args()
        return arguments, cls(arguments.csv, header, arguments.fresh)

    def all(self) -> list[dict[str, str]]:
        """Every row so far."""
        with self._path.open(newline="") as file:
            return list(csv.DictReader(file))

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, fieldnames=self._header, lineterminator="\n").writerow(row)
