"""The results folder: found by name, written, told in sentences."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.results.conclusions import gain_sentence, next_commands
    from nas.results.dashboard import annotate, is_loopback, server
    from nas.results.designs import Design, Measured, find_design, find_untrained
    from nas.results.folder import find_run, latest_run, list_runs
    from nas.results.markdown import table
    from nas.results.writable import check_name, check_results
    from nas.results.writer import write

__getattr__ = lazy(
    __name__,
    {
        "conclusions": (
            "gain_sentence",
            "next_commands",
        ),
        "dashboard": (
            "annotate",
            "is_loopback",
            "server",
        ),
        "designs": (
            "Design",
            "Measured",
            "find_design",
            "find_untrained",
        ),
        "folder": (
            "find_run",
            "latest_run",
            "list_runs",
        ),
        "markdown": ("table",),
        "writable": (
            "check_name",
            "check_results",
        ),
        "writer": ("write",),
    },
)
