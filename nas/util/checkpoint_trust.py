"""Whether checkpoints may run code of their own when they are loaded: only where a user says `--trust`.

The answer holds for this process and for those that it starts, so it is in the environment. Ultralytics reads its own
variable when it is imported.
"""

import os

_TRUSTED = "GHOSTNAS_TRUST_CHECKPOINTS"
_ULTRALYTICS = "ULTRALYTICS_SAFE_LOAD"


def trust_checkpoints(trusted: bool) -> None:
    """Say whether checkpoints are trusted, whatever the environment held.

    Args:
        trusted: Whether `--trust` was given.
    """
    os.environ[_TRUSTED] = str(trusted).lower()
    tell_ultralytics()


def trusted() -> bool:
    """Whether checkpoints are trusted."""
    return os.environ.get(_TRUSTED) == "true"


def trust_variables() -> dict[str, str]:
    """What a process on another machine needs in its environment to have this one's answer."""
    return {_TRUSTED: str(trusted()).lower()}


def tell_ultralytics() -> None:
    """Set the variable that Ultralytics reads when it is imported."""
    os.environ[_ULTRALYTICS] = str(not trusted()).lower()
