"""The results folder: found by name, written, reported in sentences."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.results.dashboard import server
    from nas.results.dashboard_guard import is_loopback
    from nas.results.designs import Design, Measured, find_design, find_untrained
    from nas.results.folder import MEASURED_ONNX, find_run, is_run, last_change, latest_run, list_runs, run_of
    from nas.results.gain_sentences import gain_sentence, next_commands
    from nas.results.handover import hand_over
    from nas.results.markdown import table
    from nas.results.reports import HTML_FILE, write_reports
    from nas.results.study_copy import move_study
    from nas.results.trial_notes import annotate
    from nas.results.writable import check_name, check_results
    from nas.results.writer import write

__getattr__ = lazy(
    __name__,
    {
        "dashboard": ("server",),
        "dashboard_guard": ("is_loopback",),
        "designs": (
            "Design",
            "Measured",
            "find_design",
            "find_untrained",
        ),
        "folder": (
            "MEASURED_ONNX",
            "find_run",
            "is_run",
            "last_change",
            "latest_run",
            "list_runs",
            "run_of",
        ),
        "gain_sentences": (
            "gain_sentence",
            "next_commands",
        ),
        "handover": ("hand_over",),
        "markdown": ("table",),
        "reports": (
            "HTML_FILE",
            "write_reports",
        ),
        "study_copy": ("move_study",),
        "trial_notes": ("annotate",),
        "writable": (
            "check_name",
            "check_results",
        ),
        "writer": ("write",),
    },
)
