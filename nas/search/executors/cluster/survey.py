"""Asks every node of a cluster what it is and whether it has the data, and settles which of them train."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import getcwd
from typing import Any

from nas.data import load, pack
from nas.search.executors.cluster import probe
from nas.search.executors.cluster.join import joined
from nas.search.executors.cluster.nodes import Allotment, Facts, NodeReport, allot, why_other
from nas.search.executors.ray_tune import last_line

ANSWER_S = 120.0
"""How long a node may take to import torch and to answer; data may take as long as they need."""

SENT_BYTES = 256 * 2**20
"""A data set up to this size is sent to nodes that have not got it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What trials need of a node.

    Attributes:
        device: Where they train: `cpu` or `cuda:N`, the number of this machine's alone.
        precision: The precision that proxies are asked for.
        measured_here: Whether latencies are measured on this machine.
        data: Data YAML, None for the embedded set.
        fraction: Share of the training pictures.
        digest: Of the data; None where no data are asked for.
    """

    device: str
    precision: str
    measured_here: bool
    data: str | None = None
    fraction: float = 1.0
    digest: str | None = None


def look(address: str, needs: Needs, waiting: Callable[[str], None] = lambda text: None) -> Allotment:
    """Join a cluster, ask its nodes, and leave it.

    Args:
        address: `auto` or `HOST:PORT` (`check_address`).
        needs: What trials need.
        waiting: Told what is waited for.

    Raises:
        GhostnasError: It cannot be joined.
        ProxyError: This machine has no such training device.
    """
    with joined(address):
        return survey(needs, waiting)


def survey(needs: Needs, waiting: Callable[[str], None] = lambda text: None) -> Allotment:
    """Ask the nodes of the cluster that this process has joined.

    Args:
        needs: What trials need.
        waiting: Told what is waited for.

    Raises:
        ProxyError: This machine has no such training device.
    """
    import ray

    ours = probe.facts(needs.device, needs.precision)
    alive = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeManagerAddress"]))
    asked = {node["NodeID"]: _ask(probe.node_facts, node["NodeID"], needs.device, needs.precision) for node in alive}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_S)
    reports = [_report(node, asked[node["NodeID"]], needs.data) for node in alive]
    if needs.digest is not None:
        reports = _with_data(reports, ours, needs, needs.digest, waiting)
    return allot(reports, ours, on_gpu=needs.device != "cpu", measured_here=needs.measured_here)


def _ask(what: Callable[..., Any], node: str, *arguments: Any) -> Any:
    """Call a function on a node, in a process that ends with it and so keeps no memory of a GPU."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return ray.remote(num_cpus=0, max_calls=1, max_retries=0, scheduling_strategy=here)(what).remote(*arguments)


def _report(node: dict[str, Any], answer: Any, data: str | None) -> NodeReport:
    resources = node["Resources"]
    cpus, gpus = float(resources.get("CPU", 0)), float(resources.get("GPU", 0))
    silent = NodeReport(node["NodeID"], str(node["NodeManagerAddress"]), cpus, gpus, None, data=data)
    try:
        said = _answer(answer)
    except _NoAnswer as why:
        return replace(silent, problem=str(why))
    if "problem" in said:
        return replace(silent, problem=said["problem"])
    try:
        return replace(silent, facts=Facts(**said))
    except TypeError:
        return replace(silent, problem=f"another version of ghostnas runs there, which answers {', '.join(said)}")


class _NoAnswer(Exception):
    """Why a node gave no answer."""


def _answer(asked: Any, timeout_s: float | None = 0.0) -> Any:
    import ray

    try:
        return ray.get(asked, timeout=timeout_s)
    except ray.exceptions.GetTimeoutError as error:
        raise _NoAnswer(f"it did not answer within {ANSWER_S:g} s") from error
    except ray.exceptions.RayTaskError as error:
        raise _NoAnswer(last_line(error.cause)) from error
    except ray.exceptions.RayError as error:
        raise _NoAnswer(f"ghostnas does not run there: {last_line(error)}") from error


def _with_data(
    reports: Sequence[NodeReport], ours: Facts, needs: Needs, digest: str, waiting: Callable[[str], None]
) -> list[NodeReport]:
    """The reports with the path of the data on every node that could train; small data are sent where they lack."""
    import ray

    able = {
        one.id
        for one in reports
        if one.facts is not None and why_other(one.facts, ours, measured_here=needs.measured_here) is None
    }

    def ask(nodes: Iterable[str], sent: Any) -> dict[str, Any]:
        place = needs.data, needs.fraction, digest, getcwd()
        return {node: _ask(probe.data_here, node, *place, sent) for node in nodes}

    waiting("the nodes of the cluster check the data set")
    found = _with_answers(reports, ask(able, None))
    lacking = [one.id for one in found if one.id in able and one.problem is not None]
    packed = pack(load(needs.data, fraction=needs.fraction), SENT_BYTES) if lacking and needs.data is not None else None
    if packed is None:
        return found
    waiting(f"the data set is sent to {len(lacking)} nodes that have not got it")
    again = [replace(one, problem=None) if one.id in lacking else one for one in found]
    return _with_answers(again, ask(lacking, ray.put(packed)))


def _with_answers(reports: Sequence[NodeReport], asked: Mapping[str, Any]) -> list[NodeReport]:
    return [_with_answer(one, asked[one.id]) if one.id in asked else one for one in reports]


def _with_answer(report: NodeReport, asked: Any) -> NodeReport:
    try:
        return replace(report, data=_answer(asked, None))
    except _NoAnswer as why:
        return replace(report, problem=str(why))
