"""Ultralytics' `yolo` command with our blocks known to its parser and its checkpoint loader."""

from collections.abc import Sequence

from nas.build import register
from nas.checkpoints import know_bundled_blocks
from nas.errors import UsageError
from nas.ultralytics_home import use_current_folder


def run(words: Sequence[str]) -> None:
    """Carry out a `yolo` command line; its outputs go to `runs/` of the current folder.

    Args:
        words: The words after `yolo`, untouched.

    Raises:
        UsageError: Ultralytics does not understand the words, or misses a file.
    """
    register()
    know_bundled_blocks()
    from ultralytics import cfg

    if list(words[:1]) != ["settings"]:  # which writes the settings file: it must see the file's own values
        use_current_folder()
    cfg.ARGV = ["yolo", *words]
    try:
        cfg.entrypoint()
    except (SyntaxError, FileNotFoundError, ConnectionError) as error:
        raise UsageError(f"yolo: {str(error).strip()}") from error
