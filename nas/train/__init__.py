"""The full training of a design, by Ultralytics' trainer."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.train.trainer import complete, parse_arguments, train, with_teacher
    from nas.train.yolo_cli import run

__getattr__ = lazy(
    __name__,
    {
        "trainer": (
            "complete",
            "parse_arguments",
            "train",
            "with_teacher",
        ),
        "yolo_cli": ("run",),
    },
)
