"""Ultralytics' `yolo` command with our blocks known to its parser and its checkpoint loader."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from nas.errors import UsageError
from nas.model import know_bundled_blocks, refusal, refused_class, register
from nas.util.ultralytics_env import use_current_folder

_HELP = ("help", "-h", "-help", "--help")


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
    from ultralytics.utils import LOGGER

    if list(words[:1]) != ["settings"]:  # which writes the settings file: it must see the file's own values
        use_current_folder()
    if words and words[0] not in _HELP:
        # Ultralytics prints its whole help before it says what is wrong.
        LOGGER.addFilter(lambda record: record.msg is not cfg.CLI_HELP_MSG)
    _check_weights(words)
    cfg.ARGV = ["yolo", *words]
    try:
        cfg.entrypoint()
    except Exception as error:
        asked_wrongly = isinstance(error, SyntaxError | FileNotFoundError | ConnectionError)
        if name := refused_class(error):
            raise UsageError(f"yolo: {refusal('the checkpoint', name)}") from error
        if asked_wrongly or _from_parser(error.__traceback__):
            message = str(error).replace(cfg.CLI_HELP_MSG, "").strip()
            raise UsageError(f"yolo: {message}") from error
        raise


def _check_weights(words: Sequence[str]) -> None:
    """Refuse a checkpoint that is not there: Ultralytics would ask the network for it even offline."""
    if os.environ.get("YOLO_OFFLINE", "").lower() != "true":
        return
    for word in words:
        key, _, value = word.partition("=")
        if key == "model" and value.endswith(".pt") and "://" not in value and not Path(value).is_file():
            raise UsageError(
                f"yolo: there is no checkpoint {value}, and nothing is downloaded; "
                "set YOLO_OFFLINE=false to let Ultralytics fetch it"
            )


def _from_parser(trace: TracebackType | None) -> bool:
    """Whether an error was raised where Ultralytics checks its arguments, and not in the work itself."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and Path(trace.tb_frame.f_code.co_filename).parts[-2:] == ("cfg", "__init__.py")
