"""Rules across keys: choices that would describe one network twice, so that one design has one key."""

from collections.abc import Mapping
from typing import Any

from nas.architecture import CHOICES_OF, LEVELS, multiple_of_8


def equal_expansions(choices: Mapping[str, tuple[Any, ...]]) -> list[tuple[str, int, str]]:
    """Expansions that round to the same hidden channels: two designs would be one network.

    Returns:
        Level, index of the choice, and the broken rule of each.
    """
    problems = []
    for level in LEVELS:
        expands = any("expansion" in CHOICES_OF[block] for block in choices[f"{level}.block"])
        expansions = choices[f"{level}.expansion"] if expands else ()
        for width in choices[f"{level}.width"]:
            hidden = [multiple_of_8(expansion * width) for expansion in expansions]
            index = next((i for i in range(1, len(hidden)) if hidden[i] == hidden[i - 1]), None)
            if index is not None:
                pair = f"{expansions[index - 1]:g} and {expansions[index]:g}"
                text = f"must list choices that differ; {pair} both make {hidden[index]} hidden channels"
                problems.append((level, index, f"{text} at width {width} (multiples of 8): leave one out"))
                break
    return problems


def oversized_pools(choices: Mapping[str, tuple[Any, ...]], smallest_imgsz: int) -> list[tuple[str, int, str]]:
    """Pools larger than their stage's map: the blocks would clip them, and two designs would be one network.

    Returns:
        Level, index of the choice, and the broken rule of each.
    """
    problems = []
    for exponent, level in enumerate(LEVELS, start=2):
        side = smallest_imgsz // 2**exponent
        ghostly = any("dfc_pool" in CHOICES_OF[block] for block in choices[f"{level}.block"])
        attends = ghostly and any(choices[f"{level}.dfc_kernel"])
        for index, pool in enumerate(choices[f"{level}.dfc_pool"]):
            if pool > side and attends:
                enough = -(-pool * 2**exponent // 32) * 32
                text = f"must not exceed the stage's map, {side}x{side} at imgsz {smallest_imgsz}; got {pool}"
                problems.append((level, index, f"{text} (use a smaller pool, or imgsz {enough} and above)"))
    return problems


def idle_c3k(choices: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """A choice of C3k beside a neck without C3k2: designs without any C3k2 to change would be listed twice.

    Returns:
        The broken rule, or nothing.
    """
    always = any(set(choices[f"{level}.block"]) == {"c3k2"} for level in LEVELS[:2])
    if len(choices["c3k"]) == 1 or always or set(choices["neck"]) == {"pan"}:
        return []
    return ["must be one value where a neck other than pan may be chosen: it has no effect there (write deep or all)"]
