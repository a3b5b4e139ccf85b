"""The measuring protocol: candidates and references in turn, in short blocks, what was disturbed dropped by its cause.

Knows neither runtimes nor models nor statistics: it times functions, with a clock and counters that tests can replace,
and asks a judge after every slice whether that is enough.
"""

from dataclasses import dataclass, replace
from typing import Self

from nas.latency.types import Level

REFERENCES = 2
"""Networks that are measured in turn with the models."""


PROTOCOL = 2
"""Raised when what the figures mean changes: calibrations of another protocol are not used."""


SLICE_QUANTILE = 0.1
"""A slice's figure is this quantile of its runs. Disturbances only ever add time, so a low quantile moves least under
them; the minimum would hang on one lucky run and on the number of runs."""


POOL_QUANTILE = 0.05
"""The same for the runs of several slices together, of which there are more."""


QUIET_CLOCK = 1.15
"""Where COMPUTE takes more than this many times its calibrated time, another tenant may share the core."""


MOST_LOST = 0.005
"""A run may have spent this share of its time without the processor; with more it is dropped as preempted."""


MOST_DROPPED = 0.9
"""Of all runs, at most this share may be dropped: where more are disturbed, the rest is not trusted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure, and how sure to be.

    Attributes:
        aim: Half width of the 95% interval, as a share of the estimate, at which the measurement ends; 0
            for one that uses its time.
        refuse: Half width above which the interval is no answer.
        measure_s: Time for slices that were kept; what is known then is the answer.
        patience_s: Longest time for that, disturbances included; what is known then is judged. Twice `min_slices` are
            tried even when they take longer.
        warmup_s: Time for warming up; two windows are run even when they take longer.
        quiet_memory: How contended the memory may be in a slice that is kept (`gate.py`).
        most_memory: How contended it may be in a slice that is used after all when patience ends.
        stop_above_target: Whether a model whose whole interval lies above the target is not measured further.
        min_slices: Slices that an answer needs.
        first_look: Slices after which the judge is asked first; fewer are enough to see that a target is far away.
        block_ms: Length of a block; a slower model runs once a block.
        agree: How close two warm-up windows must be, as a share.
    """

    aim: float
    refuse: float
    measure_s: float
    patience_s: float
    warmup_s: float
    quiet_memory: float
    most_memory: float
    stop_above_target: bool
    min_slices: int = 4
    first_look: int = 4
    block_ms: float = 20.0
    agree: float = 0.03

    def shared_by(self, models: int) -> Self:
        """The plan for several models together: a slice takes longer, so it may take longer until enough are kept."""
        return replace(self, patience_s=self.patience_s * (models + REFERENCES) / (1 + REFERENCES))


PLANS: dict[Level, Plan] = {
    "screening": Plan(
        aim=0.02,
        refuse=0.15,
        measure_s=2.2,
        patience_s=2.5,
        warmup_s=0.3,
        quiet_memory=1.20,
        most_memory=1.50,
        stop_above_target=True,
        first_look=2,
    ),
    # One of three processes; what is asked of the three together is ±1%.
    "finalist": Plan(
        aim=0.0,
        refuse=0.10,
        measure_s=2.6,
        patience_s=5.5,
        warmup_s=0.6,
        quiet_memory=1.10,
        most_memory=1.20,
        stop_above_target=False,
    ),
}
