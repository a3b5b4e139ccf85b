"""What is checked before a search writes anything."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.data import DetectionData
from nas.errors import (
    LatencyError,
    StudyError,
    UsageError,
)
from nas.latency import (
    COMPUTE,
    LOCAL,
    Device,
    SizedModel,
    opened_for_pictures,
    prepare_reference,
)
from nas.proxy import ProxySettings, find_device, find_precision
from nas.search.executors.cluster.nodes import check_enough
from nas.search.executors.cluster.survey import Needs, look
from nas.search.request import Request
from nas.search.source_baselines import scale_of
from nas.space import SearchSpace
from nas.study import StoredStudy
from nas.util.provenance import host_machine, versions


def check_latency_device(device: Device) -> None:
    """What a new search cannot do without is checked before anything is written: the device, and the runtime on it.

    Raises:
        LatencyError: The device cannot be reached, has not got the runtime or cannot run a model in it; or this machine
            cannot, and could not score what was timed there.
    """
    settings = device.settings
    probe = SizedModel(prepare_reference(COMPUTE, settings), COMPUTE.imgsz)
    device.key()
    device.run_once(probe)
    if settings.place == LOCAL:
        return
    try:
        with opened_for_pictures(probe, settings):
            pass
    except LatencyError as error:
        raise type(error)(
            f"{error}. A finalist's file is scored here, on this machine, in the runtime and precision that were timed "
            "on the device, so both need them; `ghostnas latency --device` measures without"
        ) from error


def check_heads(request: Request, space: SearchSpace) -> None:
    if request.latency.runtime == "ncnn" and True in space.choices["end2end"]:
        raise UsageError(
            f"ncnn cannot run the heads without NMS of {space.name} (it has no top-k); write `end2end: false` "
            "in a space file of your own, or choose another --runtime"
        )


def check_checkpoints(request: Request, space: SearchSpace) -> None:
    """What proxies begin with and learn from is loaded once before anything is written.

    Raises:
        ModelError: It is no checkpoint of a detector, or a search cannot start from it.
        UsageError: The teacher cannot teach every design of the space.
    """
    from nas.architecture import to_yaml
    from nas.inherit import load_source
    from nas.model import build
    from nas.proxy import check_strides, load_known

    if isinstance(request.source, Path):
        scale_of(load_source(request.source), str(request.source))
    if request.proxy.teacher is not None:
        teacher = load_known(request.proxy.teacher)
        for levels in space.choices["levels"]:
            design = replace(space.smallest()[0], levels=levels)
            check_strides(teacher, build(to_yaml(design, 1), seed=0), request.proxy.teacher)


def where_begun(study: StoredStudy, device: Device, proxy: ProxySettings, *, complete: bool) -> dict[str, Any]:
    """Where and with which versions a search began: what is measured later belongs beside it only if it is there, too.

    Args:
        study: The study, in which it is kept.
        device: Where latencies are measured.
        proxy: How proxies train.
        complete: Whether no candidate will be measured any more, so that the device may be away.

    Raises:
        LatencyError: The device cannot be reached.
        StudyError: It is of another kind than at the beginning, or its runtime has another version; or proxies would
            compute in another precision.
    """
    kept: dict[str, Any] | None = study.attribute("begun")
    if kept is not None and complete:
        return kept
    kind = device.kind()  # two containers on a machine, and two boards of a make, are of one
    here = {
        "device": kind["device"],
        "runtime": f"{kind['runtime']} {kind['runtime_version']}",
        "arithmetic": find_precision(proxy.precision, find_device(proxy.device)),
    }
    for name, now in here.items():
        if kept is not None and kept[name] != now:
            raise StudyError(
                f"{study.folder} began with another {name} ({kept[name]}) than there is now ({now}), and numbers of "
                "both do not compare; go on where it began, or give this search a --name of its own"
            )
    if kept is None:
        kept = {**here, "machine": host_machine(), "versions": versions()}
        study.keep("begun", kept)
    return kept


def with_cluster(request: Request, data: DetectionData, waiting: Callable[[str], None]) -> Request:
    """The same request with as many workers as its cluster holds, or as were asked for; without a cluster as it is.

    Args:
        request: What is asked.
        data: The data set.
        waiting: Told what is waited for.

    Raises:
        GhostnasError: The cluster cannot be joined.
        UsageError: None of its nodes can train, or they hold fewer trials than workers were asked for.
    """
    if request.ray_address is None:
        return request
    needs = Needs(
        device=request.proxy.device,
        precision=request.proxy.precision,
        measured_here=LOCAL in request.latency.places,
        data=None if request.data is None else str(data.source.absolute()),
        fraction=request.fraction,
        digest=data.digest,
    )
    return replace(request, workers=check_enough(look(request.ray_address, needs, waiting), request.workers))


def check_rungs(request: Request) -> None:
    """Raises UsageError where a rung is no longer than the proxies that come before it."""
    if request.rungs and request.rungs[0].steps <= request.proxy.steps:
        raise UsageError(
            f"the shortest rung must have more steps than a proxy ({request.proxy.steps}), got "
            f"{request.rungs[0].steps}; name longer ones with --rungs, or shorter proxies"
        )
