"""What is carried to a node and back as bytes: no folder is shared with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nas.errors import StorageError
from nas.search.evaluate import Task
from nas.search.executors.cluster.probe import file_here
from nas.util.atomic_files import write_whole
from nas.util.provenance import file_digest
from nas.util.worker_messages import posted


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file that trials read.

    Attributes:
        path: Where it lies on the driver's machine.
        digest: SHA-256 of its content.
        content: Its content.
    """

    path: Path
    digest: str
    content: bytes

    def here(self) -> Path:
        """Its path on this node, where it is written unless it is there.

        Raises:
            StorageError: It cannot be written.
        """
        return file_here(self.path, self.digest, self.content)


@dataclass(frozen=True, slots=True)
class CarriedFiles:
    """The files that trials read, besides the data.

    Attributes:
        source: The tuned source; None from scratch.
        teacher: The teacher's checkpoint; None without.
    """

    source: CarriedFile | None
    teacher: CarriedFile | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a trial left on a node.

    Attributes:
        files: Contents of what belongs into `models/`, by name.
        messages: What it had to say to the user.
    """

    files: tuple[tuple[str, bytes], ...]
    messages: tuple[str, ...]


NOTHING = Written((), ())


def read_files(task: Task) -> CarriedFiles:
    """Read the files of a task, on the driver's machine.

    Args:
        task: How designs are evaluated.

    Raises:
        StorageError: One cannot be read.
    """
    teacher = task.proxy.teacher
    return CarriedFiles(
        None if task.source is None else _read(task.source), None if teacher is None else _read(Path(teacher))
    )


def task_on_node(task: Task, data: str | None, files: CarriedFiles, gpus: Sequence[str]) -> Task:
    """The task with the paths of this node, and the GPU that Ray gave.

    Args:
        task: How designs are evaluated.
        data: The data YAML here; None for the embedded set.
        files: The files that trials read.
        gpus: Ray's names of the GPUs that this process was given.

    Raises:
        StorageError: A file cannot be written here.
    """
    proxy = replace(
        task.proxy,
        device=given_device(task.proxy.device, gpus),
        teacher=None if files.teacher is None else str(files.teacher.here()),
    )
    return replace(task, data=data, proxy=proxy, source=None if files.source is None else files.source.here())


def given_device(asked: str, gpus: Sequence[str]) -> str:
    """Where a trial trains: on the GPU that Ray gave, which is the only one that its process sees.

    Args:
        asked: Where the driver's machine trains.
        gpus: Ray's names of the GPUs that this process was given.
    """
    if asked == "cpu":
        return "cpu"
    if len(gpus) != 1:
        raise RuntimeError(f"a trial trains on one GPU, Ray gave {len(gpus)}: {', '.join(gpus)}")
    return "cuda:0"


def collect(folder: Path) -> Written:
    """What a trial left in a folder of its own on a node.

    Args:
        folder: Stands for the results folder there.
    """
    models = sorted(path for path in (folder / "models").glob("*") if path.is_file())
    return Written(tuple((path.name, path.read_bytes()) for path in models), tuple(posted(folder)))


def keep(written: Written, folder: Path) -> None:
    """Write what a trial left on a node into the results folder.

    Args:
        written: What it left.
        folder: The results folder.

    Raises:
        StorageError: It cannot be written.
    """
    for name, content in written.files:
        write_whole(folder / "models" / Path(name).name, content)


def data_paths(nodes: Mapping[str, str | None], node: str) -> str | None:
    """The data YAML on a node.

    Args:
        nodes: The paths by node.
        node: Ray's name of the node.

    Raises:
        RuntimeError: Ray placed a trial on a node that was not asked for.
    """
    if node not in nodes:
        raise RuntimeError(f"Ray placed a trial on the node {node}, which is not used")
    return nodes[node]


def _read(path: Path) -> CarriedFile:
    try:
        return CarriedFile(path, file_digest(path), path.read_bytes())
    except OSError as error:
        raise StorageError(f"cannot read {path}, which the nodes need: {error.strerror or error}") from error
