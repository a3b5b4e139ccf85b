"""The networks of a space with the fewest and the most parameters, exactly, without counting all of them.

More width, depth, expansion or attention is always more parameters, so only a stage's block and
down-sampler and the kinds of neck and head are open. What a stage adds depends on no other stage's block and not on the
head: each stage's best pair is found on its own, beside the smallest neighbours of the right width, in few quick counts
instead of many slow ones.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

from nas.architecture import LEVELS, Architecture, Stage
from nas.space.space import SearchSpace

CountParams = Callable[[Architecture], int]


def smallest(space: SearchSpace, params: CountParams) -> Architecture:
    """The architecture with the fewest parameters (at the smallest input size)."""
    return _extreme(space, space.smallest(), params)


def largest(space: SearchSpace, params: CountParams) -> Architecture:
    """The architecture with the most parameters (at the largest input size)."""
    return _extreme(space, space.largest(), lambda arch: -params(arch))


def _extreme(space: SearchSpace, corners: tuple[Architecture, ...], cost: CountParams) -> Architecture:
    base, small = _with_head(space, corners[0], cost), space.smallest()[0]
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


def _with_head(space: SearchSpace, arch: Architecture, cost: CountParams) -> Architecture:
    """The architecture with the kinds of neck, head and levels that cost least."""
    kinds = product(*(space.choices[name] for name in ("neck", "head", "levels")))
    options = [replace(arch, neck=neck, head=head, levels=levels) for neck, head, levels in kinds]
    return options[0] if len(options) == 1 else min(options, key=cost)


def _with_stages(arch: Architecture, stages: list[Stage]) -> Architecture:
    p2, p3, p4, p5 = stages
    return replace(arch, stages=(p2, p3, p4, p5))
