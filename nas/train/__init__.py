"""The full training of a design, by Ultralytics' trainer."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.train.arguments import complete, parse_arguments, with_teacher
    from nas.train.trainer import train
    from nas.train.yolo_cli import run

__getattr__ = lazy(
    __name__,
    {
        "arguments": (
            "complete",
            "parse_arguments",
            "with_teacher",
        ),
        "trainer": ("train",),
        "yolo_cli": ("run",),
    },
)
