"""A device profile: a YAML file that names a device and what is used there by default.

`devices/example.yaml` shows every key. What is wrong with a file is said at once, one line a problem, with file, line,
key, rule and value.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nas.errors import UsageError
from nas.latency.remote.ssh import Address, parse_address
from nas.latency.types import PRECISIONS, RUNTIMES
from nas.util.suggest import did_you_mean
from nas.util.yaml_lines import Problem, read_document

LOCAL = "local"
"""The place that is this machine."""

_ALL_PRECISIONS = tuple(dict.fromkeys(name for names in PRECISIONS.values() for name in names))
_UNIT = r"cpu|cuda:[0-9]+"

_RULES = {
    "name": "text",
    "host": "local, or an address such as ssh://user@host:22",
    "python": "a program's name or path on the device",
    "ssh_config": "the path of an ssh configuration file",
    "device": "cpu or cuda:N, such as cuda:0",
    "runtimes": f"a list of runtimes out of {', '.join(RUNTIMES)}",
    "threads": "a whole number from 1",
    "precision": f"one of {', '.join(_ALL_PRECISIONS)}",
}


class ProfileFile(BaseModel):
    """The keys of a profile."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    host: str
    name: str | None = None
    python: str | None = None
    ssh_config: str | None = None
    device: str = Field("cpu", pattern=rf"^({_UNIT})$")
    runtimes: list[str] | None = Field(None, min_length=1)
    threads: int | None = Field(None, ge=1)
    precision: str | None = None

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        if value != LOCAL:
            if "?" in value:
                raise ValueError("takes no ?python= or ?ssh_config=: they are keys of their own in a profile")
            _checked_address(value)
        return value

    @field_validator("runtimes")
    @classmethod
    def _runtimes(cls, value: list[str] | None) -> list[str] | None:
        for name in value or []:
            if name not in RUNTIMES:
                raise ValueError(
                    f"must name runtimes out of {', '.join(RUNTIMES)}; got {name!r}{did_you_mean(name, RUNTIMES)}"
                )
        return value

    @field_validator("precision")
    @classmethod
    def _precision(cls, value: str | None) -> str | None:
        if value is not None and value not in _ALL_PRECISIONS:
            raise ValueError(f"must be {_RULES['precision']}; got {value!r}{did_you_mean(value, _ALL_PRECISIONS)}")
        return value


def read_profile(path: Path) -> ProfileFile:
    """Read and validate a profile.

    Raises:
        UsageError: It cannot be read, is not YAML or breaks a rule (one line a problem).
    """
    document = read_document(path, "a device profile", "`host:`", UsageError)
    problems = list(document.problems)
    try:
        file = ProfileFile.model_validate(document.data)
        problems += _contradictions(file)
    except ValidationError as error:
        problems += [_problem(item) for item in error.errors()]
    if problems:
        wrong = sorted(
            (document.line(problem.location), f"`{problem.location[0]}` {problem.text}") for problem in problems
        )
        raise UsageError(*(f"{path}:{line}: {text}" for line, text in wrong))
    return file


def _contradictions(file: ProfileFile) -> list[Problem]:
    """Keys that do not go together."""
    problems = []
    for key in ("python", "ssh_config"):
        value = getattr(file, key)
        if value is not None and file.host == LOCAL:
            problems.append(Problem((key,), f"is for devices reached through ssh, and `host` is {LOCAL}; leave it out"))
    if file.python is not None and file.host != LOCAL:
        try:
            Address("host", python=file.python)
        except UsageError:
            problems.append(Problem(("python",), f"must be {_RULES['python']}; got {file.python!r}"))
    return problems


def _problem(error: Any) -> Problem:
    """One of pydantic's errors in our words."""
    key = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(key, ProfileFile.model_fields) or f"; the keys are {', '.join(ProfileFile.model_fields)}"
        return Problem((key,), f"is not a key of a device profile{hint}", on_key=True)
    if error["type"] == "missing":
        return Problem((key,), f"is missing; give it {_RULES[key]}")
    if error["type"] == "value_error":
        return Problem((key,), str(error["ctx"]["error"]))
    return Problem((key,), f"must be {_RULES[key]}; got {error['input']!r}")


def _checked_address(text: str) -> None:
    try:
        parse_address(text)
    except UsageError as error:
        raise ValueError(f"must be {_RULES['host']}; {error}") from error
