"""What works on a device: whether it can be reached, what it says of itself, and which runtimes run a model there."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from nas.errors import DeviceLost, GhostnasError, LatencyError
from nas.latency.agent.health import HealthIssue, health_issues
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.artifacts.prepare import prepare
from nas.latency.devices.profile import DevicePlace
from nas.latency.measure import LatencyDevice
from nas.latency.remote.connection import connect
from nas.latency.types import OFFERS, LatencySettings

SMALL = "yolo11n.yaml"
IMGSZ = 64

_HELLO_S = 60.0


@dataclass(frozen=True, slots=True)
class CheckedRuntime:
    """A runtime in a precision on a device.

    Attributes:
        runtime: Its name.
        precision: What it computed in; empty for a runtime that was not tried.
        works: Whether the model ran and gave finite outputs; None for a runtime that is not there.
        detail: Version, or what to do.
    """

    runtime: str
    precision: str
    works: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class DeviceCheck:
    """What was found on one device.

    Attributes:
        device: Where and what it is.
        error: Why it cannot be reached or the agent cannot run there; None when it can.
        hello: What the agent says of the device; empty when it cannot be reached.
        objections: What speaks against measuring there now.
        tried: Every runtime that may be used there.
    """

    device: DevicePlace
    error: str | None
    hello: dict[str, Any]
    health_issues: tuple[HealthIssue, ...] = ()
    tried: tuple[CheckedRuntime, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "device": self.device.name,
            "place": self.device.place,
            "unit": self.device.unit,
            "reachable": self.error is None,
            "error": self.error,
            **{key: self.hello.get(key) for key in ("python", "platform", "fingerprint", "facts")},
            "objections": [one.to_dict() for one in self.health_issues],
            "runtimes": [
                {"runtime": one.runtime, "precision": one.precision, "works": one.works, "detail": one.detail}
                for one in self.tried
            ],
        }


def check_device(device: DevicePlace) -> DeviceCheck:
    """Connect to a device, ask it about itself, and run a small model there in every runtime and precision."""
    try:
        with connect(device.place) as link:
            hello = link.ask({"do": "hello", "unit": device.unit}, _HELLO_S)
    except LatencyError as error:
        return DeviceCheck(device, str(error), {})
    return DeviceCheck(device, None, hello, health_issues(hello["facts"]), tuple(_try_all(device, hello)))


def _try_all(device: DevicePlace, hello: dict[str, Any]) -> Iterator[CheckedRuntime]:
    kind = device.unit.partition(":")[0]
    for runtime in device.runtimes:
        there = hello["runtimes"][runtime]
        if not there["installed"]:
            yield CheckedRuntime(runtime, "", None, there["text"])
        elif kind not in OFFERS[runtime]:
            yield CheckedRuntime(runtime, "", None, f"does not compute on {kind}")
        else:
            for precision in OFFERS[runtime][kind]:
                yield _tried(device, LatencySettings(runtime, precision, 1, device.unit))


def _tried(device: DevicePlace, settings: LatencySettings) -> CheckedRuntime:
    try:
        model = _small(settings.runtime, settings.precision, settings.device)
    except Exception as error:  # a broken converter can raise anything; telling so is this check's work
        text = str(error) if isinstance(error, GhostnasError) else f"{type(error).__name__}: {error}"
        return CheckedRuntime(settings.runtime, settings.precision, False, f"the model cannot be made here: {text}")
    try:
        # A connection of its own: a runtime that brings its process down takes no other down with it.
        with closing(LatencyDevice(replace(settings, place=device.place))) as own:
            version = own.run_once(SizedModel(model, IMGSZ))
    except DeviceLost as error:
        return CheckedRuntime(settings.runtime, settings.precision, False, f"its process ended: {error}")
    except GhostnasError as error:
        return CheckedRuntime(settings.runtime, settings.precision, False, str(error))
    return CheckedRuntime(
        settings.runtime, settings.precision, True, f"{version}, ran {SMALL} at {IMGSZ} px, outputs finite"
    )


@cache
def _small(runtime: str, precision: str, unit: str) -> ModelBytes:
    from nas.latency.artifacts.model_files import find_model
    from nas.latency.runtimes.session import image

    return prepare(find_model(SMALL), IMGSZ, LatencySettings(runtime, precision, 1, unit), image(IMGSZ))
