"""`ghostnas doctor`: what is installed here, and what of it works."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import typer

from nas.errors import GhostnasError, RuntimeMissing

_REQUIRED = (
    "torch",
    "torchvision",
    "ultralytics",
    "ultralytics-thop",
    "optuna",
    "scipy",
    "scikit-learn",
    "ray",
    "onnx",
    "onnxruntime",
)
_OPTIONAL = {
    "openvino": "pip install openvino",
    "optuna-dashboard": "pip install optuna-dashboard",
    "psycopg": 'pip install "psycopg[binary]"',
}
_IMGSZ = 64
_SMALL = "yolo11n.yaml"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table.

    Attributes:
        what: What was looked at.
        works: Whether it works; None for what is not here and not needed.
        detail: Version or figure, or what to do.
        needed: Whether the default search needs it.
    """

    what: str
    works: bool | None
    detail: str
    needed: bool = True


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    ray_address: str | None = typer.Option(
        None,
        help="Show also the nodes of this Ray cluster, auto or HOST:PORT: which would train, and why others not.",
        show_default="none",
    ),
) -> None:
    """Show what is installed, the cache folder, and which devices and runtimes really work."""
    from rich.console import Console

    from nas.search import check_address

    if ray_address is not None:
        ray_address = check_address(ray_address)

    from nas.cli.columns import Row, columns, mark, show_table

    console = Console(highlight=False)
    with Console(stderr=True).status("Running a small model through every runtime"):
        findings = [*_findings(), *(() if ray_address is None else nodes_of(ray_address))]
    rows: list[Row] = [[finding.what, mark(finding.works), finding.detail] for finding in findings]
    show_table(console, columns("check", "", "result"), rows)
    broken = [finding for finding in findings if finding.needed and not finding.works]
    if broken:
        reasons = (f"  {finding.what}: {finding.detail}" for finding in broken)
        search = "the default search" if ray_address is None else f"a search with --ray-address {ray_address}"
        raise GhostnasError(f"{search} cannot run here:", *reasons)
    nodes = "" if ray_address is None else f" --ray-address {ray_address}"
    console.print(
        f"The default search can run: ghostnas search{nodes} --budget 50 --target-latency 2.5ms", soft_wrap=True
    )


def _checked(what: str, check: Callable[[], str], needed: bool = True) -> Finding:
    try:
        return Finding(what, True, check(), needed)
    except RuntimeMissing as error:  # such as a precision that this processor lacks
        return Finding(what, False if needed else None, str(error), needed)
    except Exception as error:  # a broken installation can raise anything; telling so is this command's work
        return _broken(what, error, needed)


def _broken(what: str, error: Exception, needed: bool = True) -> Finding:
    text = str(error) if isinstance(error, GhostnasError) else f"{type(error).__name__}: {error}"
    return Finding(what, False, text.strip() or type(error).__name__, needed)


def _findings() -> Iterator[Finding]:
    import platform

    from nas import __version__

    yield Finding("ghostnas, Python", True, f"{__version__}, {platform.python_version()}")
    yield _checked("cache folder", _cache_folder)
    for package in _REQUIRED:
        yield _package(package)
    for package, command in _OPTIONAL.items():
        yield _optional_package(package, command)
    yield _checked("operation counter (thop)", _thop)
    yield _checked("Ray imports", _ray)
    yield Finding("device cpu", True, _fingerprint("cpu"))
    yield from _gpus()
    yield from checked_runtimes()


def _package(package: str) -> Finding:
    try:
        return Finding(package, True, version(package))
    except PackageNotFoundError:
        return Finding(package, False, f"not installed; pip install {package}")


def _optional_package(package: str, command: str) -> Finding:
    try:
        return Finding(package, True, version(package), needed=False)
    except PackageNotFoundError:
        return Finding(package, None, f"not installed; {command}", needed=False)


def _cache_folder() -> str:
    import shutil

    from nas.util.paths import cache_dir, writable_dir

    folder = writable_dir(cache_dir())
    return f"{cache_dir()}, {shutil.disk_usage(folder).free / 1e9:.1f} GB free (GHOSTNAS_CACHE moves it)"


def _thop() -> str:
    from nas.model import count, load_model

    counts = count(load_model(_SMALL), _IMGSZ)
    return f"{_SMALL} at {_IMGSZ} px: {counts.params:,} parameters, {counts.gflops:.3f} GFLOPs"


def _ray() -> str:
    from nas.util import ultralytics_env

    ultralytics_env.prepare()
    return f"ray {import_module('ray').__version__}"


def _fingerprint(device: str) -> str:
    from nas.latency import fingerprint

    return fingerprint(device)


def _gpus() -> Iterator[Finding]:
    try:
        torch = import_module("torch")
        count = torch.cuda.device_count()
    except Exception as error:
        yield Finding("device cuda", False, f"torch does not import: {error}", needed=False)
        return
    if not count:
        yield Finding("device cuda", None, "no CUDA device (trainings run on the CPU)", needed=False)
    for index in range(count):
        yield Finding(f"device cuda:{index}", True, torch.cuda.get_device_name(index), needed=False)


def checked_runtimes() -> Iterator[Finding]:
    from nas.latency import DEFAULT_RUNTIME, OFFERS, available_runtimes, is_installed

    devices = ["cpu", *_cuda_if_any()]
    for runtime, text in available_runtimes().items():
        needed = runtime == DEFAULT_RUNTIME
        if not is_installed(runtime):
            yield Finding(f"runtime {runtime}", False if needed else None, f"not installed; {text}", needed)
            continue
        for device in devices:
            for precision in OFFERS[runtime].get(device.partition(":")[0], ()):
                default = needed and device == "cpu"
                yield _checked(
                    f"runtime {runtime}, {precision}, {device}", runner_of(runtime, precision, device), default
                )


def nodes_of(address: str) -> Iterator[Finding]:
    """The nodes of a Ray cluster, as a search with its defaults would use them.

    Args:
        address: `auto` or `HOST:PORT`.
    """
    from nas.search import Needs, look

    device = next(iter(_cuda_if_any()), "cpu")
    try:
        found = look(address, Needs(device, "auto", measured_here=True))
    except Exception as error:
        yield _broken("Ray cluster", error)
        return
    for node in found.nodes:
        used = f"trains {node.trials} at a time on {device.partition(':')[0]}"
        yield Finding(f"node {node.host}", node.why_not is None, node.why_not or used, needed=False)
    trains = f"{found.trials} trials at a time on {len(found.used)} of {len(found.nodes)} nodes"
    yield Finding("Ray cluster", bool(found.used), trains if found.used else "no node of it can train")


def _cuda_if_any() -> list[str]:
    try:
        return ["cuda:0"] if import_module("torch").cuda.is_available() else []
    except Exception:  # reported by the device check
        return []


def runner_of(runtime: str, precision: str, device: str) -> Callable[[], str]:
    def run() -> str:
        from nas.latency import LatencySettings, check_finite, find_model, image, open_session, prepare, runtime_version

        settings = LatencySettings(runtime, precision, 1, device)
        model = prepare(find_model(_SMALL), _IMGSZ, settings, image(_IMGSZ))
        with open_session(model, _IMGSZ, settings) as session:
            check_finite(session)
        return f"{runtime_version(runtime)}, ran {_SMALL} at {_IMGSZ} px, outputs finite"

    return run
