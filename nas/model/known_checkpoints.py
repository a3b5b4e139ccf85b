"""Where a checkpoint lies that a user names: nothing is ever downloaded."""

import json
import os
import sys
from pathlib import Path

from nas.errors import ModelError
from nas.util import ultralytics_env

KNOWN = ("yolo11n.pt", "yolo11s.pt", "yolo11m.pt")
"""Checkpoints that Ultralytics publishes and from which a search can start."""

_GAINED = (
    "on BCCD at 160 px a YOLO11n of half width reaches 0.54 mAP50-95 with it and 0.42 without, after 600 steps and one "
    "tuning of 600 steps that all candidates share (two seeds)"
)
"""From results/reference/inherit (docs/development/inheritance.md)."""

_PUBLISHED = "https://github.com/ultralytics/assets/releases"


def find_checkpoint(name: Path) -> Path:
    """A checkpoint's file; a bare name is looked for in the working folder and then in Ultralytics' weights folder.

    Args:
        name: A path, or a bare name such as `yolo11n.pt`.

    Raises:
        ModelError: There is no such file.
    """
    bare = name.parent == Path() and not name.is_absolute()
    places = (name, *([weights_folder() / name] if bare else []))
    # os.path.isfile says no where a path is too long or its folder may not be entered; Path.is_file raises.
    found = next((path for path in places if os.path.isfile(path)), None)
    if found is not None and not os.access(found, os.R_OK):
        raise ModelError(f"the checkpoint {found} may not be read; change its permissions")
    if found is not None:
        return found
    where = f"here or in {weights_folder()}" if bare else ""
    get = f": get it from {_PUBLISHED} and give its path" if name.name in KNOWN else "; give the path of a .pt file"
    raise ModelError(f"there is no checkpoint {' '.join(filter(None, (str(name), where)))}, nothing is downloaded{get}")


def checkpoint_at_hand() -> Path | None:
    """The first published checkpoint that `find_checkpoint` would find by its name; None where there is none."""
    for name in KNOWN:
        try:
            return find_checkpoint(Path(name))
        except ModelError:
            continue
    return None


def hint(found: Path) -> str:
    """What a search from scratch says where a published checkpoint lies at hand.

    Args:
        found: The checkpoint.
    """
    return f"{found} is at hand: `--from {found.name}` starts every candidate from it; {_GAINED}"


def weights_folder() -> Path:
    """The folder in which Ultralytics keeps downloaded weights, as the user's settings of Ultralytics say."""
    try:
        known = json.loads((_config_folder() / "settings.json").read_text(encoding="utf-8"))["weights_dir"]
        return Path(known)
    except (OSError, ValueError, KeyError, TypeError):
        return Path("weights")  # what Ultralytics would write into its settings outside of a git repository


def _config_folder() -> Path:
    """Where Ultralytics keeps the user's settings; in this process it keeps others (`nas.util.ultralytics_env`)."""
    home = Path.home()
    if given := os.environ.get(ultralytics_env.USERS_CONFIG):
        base = Path(given).expanduser()
    elif sys.platform == "win32":
        base = home / "AppData" / "Roaming"
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    return base / "Ultralytics"
