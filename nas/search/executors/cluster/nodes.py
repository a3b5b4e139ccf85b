"""Which nodes of a cluster train, how many trials at a time, and why the others do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nas.errors import UsageError
from nas.search.workers import TRAINING_GPU_BYTES

_DIGITS = 10_000
"""Ray counts resources in ten thousandths."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a node says of itself.

    Attributes:
        same: What must be the same on every node of a study, by name: versions, arithmetic, the GPU.
        free_bytes: Free memory of each of its GPUs; empty where trials train on the CPU.
        machine: What tells this machine from others, also across containers.
        locks: What tells the folder of its user's locks from others.
    """

    same: Mapping[str, str]
    free_bytes: tuple[int, ...]
    machine: str
    locks: str


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A node of a cluster, as Ray and the node itself describe it.

    Attributes:
        id: Ray's name of the node.
        host: Its address.
        cpus: Cores that Ray may give away.
        gpus: GPUs that Ray may give away.
        facts: What it says of itself; None where it did not answer.
        problem: Why it did not answer, or what it lacks; None where nothing is known against it.
        data: Path of the data YAML there; None for the embedded set.
    """

    id: str
    host: str
    cpus: float
    gpus: float
    facts: Facts | None
    problem: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """Whether and how a node is used.

    Attributes:
        id: Ray's name of the node.
        host: Its address.
        trials: Trials that it trains at a time; 0 where it is not used.
        why_not: Why it is not used; None where it is.
        data: Path of the data YAML there; None for the embedded set.
    """

    id: str
    host: str
    trials: int
    why_not: str | None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Allotment:
    """What a search gets of a cluster.

    Attributes:
        nodes: Every node.
        gpu: Share of a GPU that a trial gets; 0 where trials train on the CPU.
    """

    nodes: tuple[ClusterNode, ...]
    gpu: float

    @property
    def used(self) -> tuple[ClusterNode, ...]:
        """The nodes that train."""
        return tuple(node for node in self.nodes if node.why_not is None)

    @property
    def trials(self) -> int:
        """Trials that all nodes train at a time."""
        return sum(node.trials for node in self.used)

    @property
    def resources(self) -> dict[str, float]:
        """What Ray is asked for one trial."""
        return {"CPU": 1.0, "GPU": self.gpu} if self.gpu else {"CPU": 1.0}


def why_other(facts: Facts, ours: Facts, *, measured_here: bool) -> str | None:
    """Why a node's scores would not compare with ours, or its trainings would disturb our measurements; None: neither.

    Args:
        facts: The node's.
        ours: Those of this machine, which settle what a study's trials are trained with.
        measured_here: Whether latencies are measured on this machine.
    """
    names = dict.fromkeys([*ours.same, *facts.same])
    other = [
        f"{name} {facts.same.get(name, 'unknown')} ({ours.same.get(name, 'unknown')} here)"
        for name in names
        if facts.same.get(name) != ours.same.get(name)
    ]
    if other:
        return f"its scores would not compare: {', '.join(other)}"
    if measured_here and facts.machine == ours.machine and facts.locks != ours.locks:
        return (
            "it trains on the machine that measures, as another user or in another container, and would disturb the "
            "measurements; start Ray there as the user of this search"
        )
    return None


def allot(reports: Sequence[NodeReport], ours: Facts, *, on_gpu: bool, measured_here: bool) -> Allotment:
    """Decide which nodes train, and how many trials at a time.

    Every trial takes one core, and on GPUs the same share of one: as many trials as its free memory holds, by the GPU
    with the least of it.

    Args:
        reports: Every node.
        ours: What this machine says of itself.
        on_gpu: Whether trials train on GPUs.
        measured_here: Whether latencies are measured on this machine.
    """
    why = {one.id: _why_not(one, ours, on_gpu=on_gpu, measured_here=measured_here) for one in reports}
    used = [one for one in reports if why[one.id] is None]
    a_gpu = min((_trials_a_gpu(one) for one in used), default=1) if on_gpu else 0
    return Allotment(
        tuple(
            ClusterNode(one.id, one.host, 0 if why[one.id] else _trials(one, a_gpu), why[one.id], one.data)
            for one in reports
        ),
        gpu=_DIGITS // a_gpu / _DIGITS if a_gpu else 0.0,
    )


def check_enough(allotment: Allotment, workers: int) -> int:
    """The trials that a search trains at a time: as many as are asked for, or as the cluster holds.

    Args:
        allotment: What the search gets.
        workers: What is asked for; 0 for as many as the cluster holds.

    Raises:
        UsageError: No node can train, or they hold fewer. Ray would wait for them without end.
    """
    if not allotment.used:
        why = "; ".join(f"{node.host}: {node.why_not}" for node in allotment.nodes)
        raise UsageError(f"no node of the cluster can train ({why}); `ghostnas doctor --ray-address` shows them")
    if workers > allotment.trials:
        hosts = ", ".join(f"{node.host} {node.trials}" for node in allotment.used)
        raise UsageError(
            f"--workers {workers}: the nodes of the cluster train {allotment.trials} at a time ({hosts}), and Ray "
            f"would wait for more without end; give --workers {allotment.trials}, or leave it out"
        )
    return workers or allotment.trials


def _why_not(one: NodeReport, ours: Facts, *, on_gpu: bool, measured_here: bool) -> str | None:
    if one.cpus < 1:
        return f"it has {one.cpus:g} cores to give, and a trial takes one (`ray start --num-cpus`)"
    if on_gpu and one.gpus < 1:
        return f"it has {one.gpus:g} GPUs to give, and trials train on a GPU (`ray start --num-gpus`)"
    if one.facts is None:
        return one.problem or "it did not answer"
    if (other := why_other(one.facts, ours, measured_here=measured_here)) is not None:
        return other
    if on_gpu and not _trials_a_gpu(one):
        free = min(one.facts.free_bytes, default=0) / 2**30
        return f"a GPU of it has {free:.1f} GiB free, and a trial takes {TRAINING_GPU_BYTES / 2**30:g}"
    return one.problem


def _trials_a_gpu(one: NodeReport) -> int:
    return 0 if one.facts is None else min(one.facts.free_bytes, default=0) // TRAINING_GPU_BYTES


def _trials(one: NodeReport, a_gpu: int) -> int:
    return min(int(one.cpus), int(one.gpus) * a_gpu) if a_gpu else int(one.cpus)
