"""What notebooks, job schedulers and other launchers put around a process, made harmless before a command begins.

Nothing of it may change a number or end a search: what cannot be made harmless is reported in one line. What
Ultralytics needs is in `ultralytics_env.py`.
"""

import os
import re
import sys
import sysconfig
import warnings
from pathlib import Path

import nas
from nas.errors import UsageError

_LAUNCHERS = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
"""Of torchrun, MPI and clusters: Ultralytics would take this process for one of several that train together."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def settle() -> None:
    """Make the environment of this process harmless (idempotent).

    Raises:
        UsageError: The current folder is gone, or may not be entered.
    """
    _check_current_folder()
    _own_modules_first()
    for name in _LAUNCHERS:
        os.environ.pop(name, None)
    for name in _THREADS:  # several numbers are one a level of nesting; anything else the libraries would complain of
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", os.environ.get(name, "1")):
            del os.environ[name]
    if not re.fullmatch(r"0*([4-9]\d|[1-9]\d{2,3})", os.environ.get("COLUMNS", "80")):
        del os.environ["COLUMNS"]  # in so few no table has room for a word
    _warnings_are_no_errors()


def module_path() -> str:
    """`PYTHONPATH` for a child: the modules that this process finds, in this order, this very `nas` first."""
    home = str(Path(nas.__file__).resolve().parents[1])
    theirs = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([home, *(os.path.abspath(one) for one in [*sys.path, *theirs] if one)]))


def _check_current_folder() -> None:
    try:
        os.getcwd()
        os.stat(".")
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be used ({error.strerror}): was it deleted? Change to another"
        ) from error


def _own_modules_first() -> None:
    """Put what stands before the standard library, such as PYTHONPATH, behind what is installed.

    A `thop` or `ray` of the user's, on PYTHONPATH or in the current folder, would be taken for the library.
    """
    library = sysconfig.get_path("stdlib")
    if library in sys.path:
        at = sys.path.index(library)
        sys.path[:] = [*sys.path[at:], *sys.path[:at]]


def _warnings_are_no_errors() -> None:
    """Libraries warn of their own affairs; with PYTHONWARNINGS=error that would end a search."""
    if os.environ.pop("PYTHONWARNINGS", None) is None and not sys.warnoptions:
        return
    harmless = [one for one in warnings.filters if one[0] != "error"]
    warnings.resetwarnings()
    for action, message, category, module, line in harmless:
        warnings.filters.append((action, message, category, module, line))  # type: ignore[attr-defined]
