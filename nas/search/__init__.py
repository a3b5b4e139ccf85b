"""A search, from the request to the results folder."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.search.effort import asked_for, parse_rungs
    from nas.search.executors.cluster.address import check_address
    from nas.search.executors.cluster.nodes import Allotment
    from nas.search.executors.cluster.survey import Needs, look
    from nas.search.feasibility import Feasibility
    from nas.search.latency_filter import sample_of
    from nas.search.progress import Progress
    from nas.search.request import Request
    from nas.search.run import run_search
    from nas.search.rung_state import promoted_rungs
    from nas.search.sizing import AutoSpace
    from nas.search.source_baselines import scale_of_source
    from nas.search.workers import default_workers

__getattr__ = lazy(
    __name__,
    {
        "effort": (
            "asked_for",
            "parse_rungs",
        ),
        "executors.cluster.address": ("check_address",),
        "executors.cluster.nodes": ("Allotment",),
        "executors.cluster.survey": (
            "Needs",
            "look",
        ),
        "feasibility": ("Feasibility",),
        "latency_filter": ("sample_of",),
        "progress": ("Progress",),
        "request": ("Request",),
        "run": ("run_search",),
        "rung_state": ("promoted_rungs",),
        "sizing": ("AutoSpace",),
        "source_baselines": ("scale_of_source",),
        "workers": ("default_workers",),
    },
)
