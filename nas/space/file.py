"""Reads a search-space file and says everything that is wrong with it at once, one line a problem.

my-space.yaml:17: `stages.P3.dfc_kernel` must be odd, or 0 to switch DFC attention off; got 4 (write 3 or 5)
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from nas.errors import SpaceError
from nas.space.rules import equal_expansions, idle_c3k, oversized_pools
from nas.space.schema import (
    Broken,
    SpaceFile,
    StageChoices,
    StagesChoices,
    as_yaml,
    dimensions,
)
from nas.util.suggest import did_you_mean
from nas.util.yaml_lines import Document, Location, Problem, read_document

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "finite_number": "a number",
}


def dotted(location: Location) -> str:
    """`stages.P3.width[1]` as a person reads it: without the index of a choice."""
    return ".".join(part for part in location if isinstance(part, str))


def _known_keys(location: Location) -> Sequence[str]:
    models: tuple[type[BaseModel], ...] = (SpaceFile, StagesChoices, StageChoices)
    return tuple(models[min(len(location), 2)].model_fields)


def _problem(error: Any) -> Problem:
    """One of pydantic's errors in our words."""
    location: Location = tuple(error["loc"])
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        hint = did_you_mean(str(location[-1]), known) or f"; the keys here are {', '.join(known)}"
        return Problem(location, f"is not a key of a search space{hint}", on_key=True)
    if kind == "missing":
        deeper = location[0] == "stages" and len(location) <= 2
        wanted = f"the keys {', '.join(_known_keys(location))}" if deeper else "one value or a list of choices"
        return Problem(location, f"is missing; give it {wanted}")
    if kind in ("model_type", "model_attributes_type"):
        return Problem(location, f"must hold the keys {', '.join(_known_keys(location))}; got {as_yaml(value)}")
    if kind == "literal_error":
        known = [word.strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        hint = did_you_mean(str(value), known)
        return Problem(location, f"must be one of {', '.join(known)}; got {as_yaml(value)}{hint}")
    broken = error.get("ctx", {}).get("error")
    if isinstance(broken, Broken):
        return Problem(location, f"{broken.rule}; got {as_yaml(value)}{f' ({broken.hint})' if broken.hint else ''}")
    rule = next((text for name, text in _TYPES.items() if kind.startswith(name)), None)
    return Problem(location, f"must be {rule}; got {value!r}" if rule else f"{error['msg']}; got {value!r}")


def _report(path: Path, document: Document, problems: Iterable[Problem]) -> SpaceError:
    lines = sorted(
        (document.line(problem.location), f"`{dotted(problem.location)}` {problem.text}") for problem in problems
    )
    found = [f"{path}:{line}: {text}" for line, text in dict.fromkeys(lines)]
    return SpaceError(*(found if len(found) == 1 else [f"{len(found)} problems in a search space:", *found]))


def read_space_file(path: Path) -> SpaceFile:
    """Read and validate a search-space file.

    Raises:
        SpaceError: The file cannot be read, is not YAML or breaks a rule (one line a problem).
    """
    document = read_document(path, "a search space", "`imgsz:` and `stages:`", SpaceError)
    problems = list(document.problems)
    try:
        file = SpaceFile.model_validate(document.data)
        choices = dimensions(file)
        for level, index, text in oversized_pools(choices, file.imgsz[0]):
            problems.append(Problem(("stages", level, "dfc_pool", index), text))
        for level, index, text in equal_expansions(choices):
            problems.append(Problem(("stages", level, "expansion", index), text))
        problems += [Problem(("c3k",), text) for text in idle_c3k(choices)]
    except ValidationError as error:
        problems += [_problem(item) for item in error.errors()]
        raise _report(path, document, problems) from None
    if problems:
        raise _report(path, document, problems)
    return file
