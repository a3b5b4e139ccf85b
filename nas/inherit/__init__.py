"""Inheritance: a design of any size begins with the channels of a trained detector.

channel_spaces.py  layers, blocks and tied channel spaces, as values
structure.py       how Ultralytics' blocks are wired
roles.py           which module of a detector plays which role
importance.py      channels scored by their weights
taylor.py          channels scored by what they do on pictures
choose_channels.py which channels and repeats a design takes
transfer.py        the copy of rows and columns, and what is said of the rest
stage_pairs.py     blocks of another family, and the source's stages in their place
stage_start.py     what such blocks begin with
stages.py          how they learn what the source's stages do
class_rows.py      classes by name, and other numbers of distance bins
new_classes.py     a loss for classes that the source does not know
amounts.py         how many pictures at which size
repair.py          convolutions fitted to the source's outputs
repair_boxes.py    the last box layers fitted to the source's distances
on_data.py         a source's classes and statistics on a data set
child.py           all of the above for one design
from_checkpoint.py from a checkpoint and a design's file to a model
checkpoint.py      its file
values.py          what a source is, and what is said of a tuned one
tuned.py           a source tuned on the user's data, kept in the cache folder
from_tuned.py      a design that begins with a tuned source

A search inherits many designs from one source: `tuned.tune` makes it once, and each design begins with it
(`from_tuned.begin`).
"""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.inherit.checkpoint import check_place, write_checkpoint
    from nas.inherit.child import describe_file
    from nas.inherit.from_checkpoint import Start, load_source, start
    from nas.inherit.from_tuned import TAUGHT_STEPS, begin, tuned_start
    from nas.inherit.roles import describe
    from nas.inherit.tuned import how_to_tune, read_tuned, tune
    from nas.inherit.values import SCALES, FreshSource, SourceChoice, Tuned, default_steps, find_source, fresh_source

__getattr__ = lazy(
    __name__,
    {
        "checkpoint": (
            "check_place",
            "write_checkpoint",
        ),
        "child": ("describe_file",),
        "from_checkpoint": (
            "Start",
            "load_source",
            "start",
        ),
        "from_tuned": (
            "TAUGHT_STEPS",
            "begin",
            "tuned_start",
        ),
        "roles": ("describe",),
        "tuned": (
            "how_to_tune",
            "read_tuned",
            "tune",
        ),
        "values": (
            "SCALES",
            "FreshSource",
            "SourceChoice",
            "Tuned",
            "default_steps",
            "find_source",
            "fresh_source",
        ),
    },
)
