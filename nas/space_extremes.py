"""The networks of a space with the fewest and the most parameters, exactly, without counting all of them.

More width, depth, expansion or attention is always more parameters, so only a stage's block and
down-sampler are open. What a stage adds depends on no other stage's block: each stage's best pair is found on
its own, beside the smallest neighbours of the right width, in 16 quick counts instead of 256 slow ones.
"""

from collections.abc import Callable
from dataclasses import replace

from nas.architecture import LEVELS, Architecture, Stage
from nas.space import SearchSpace

CountParams = Callable[[Architecture], int]


def smallest(space: SearchSpace, params: CountParams) -> Architecture:
    """The architecture with the fewest parameters (at the smallest input size)."""
    return _extreme(space.smallest(), space.smallest()[0], lambda arch: params(arch))


def largest(space: SearchSpace, params: CountParams) -> Architecture:
    """The architecture with the most parameters (at the largest input size)."""
    return _extreme(space.largest(), space.smallest()[0], lambda arch: -params(arch))


def _extreme(corners: tuple[Architecture, ...], small: Architecture, cost: CountParams) -> Architecture:
    base = corners[0]
    slim = [replace(least, width=stage.width) for least, stage in zip(small.stages, base.stages, strict=True)]
    neighbours = _with_stages(replace(small, stem_width=base.stem_width), slim)
    best = list(base.stages)
    for index in range(len(LEVELS)):
        options = {corner.stages[index].key(): corner.stages[index] for corner in corners}
        if len(options) == 1:
            continue
        costs = {
            key: cost(_with_stages(neighbours, [*slim[:index], stage, *slim[index + 1 :]]))
            for key, stage in options.items()
        }
        best[index] = options[min(costs, key=lambda key: costs[key])]
    return _with_stages(base, best)


def _with_stages(arch: Architecture, stages: list[Stage]) -> Architecture:
    p2, p3, p4, p5 = stages
    return replace(arch, stages=(p2, p3, p4, p5))
