"""Latencies from an agent: the one way in which search, finals and `ghostnas latency` measure.

Every measurement is made by an agent, a process of its own on the device, here or at the other end of an ssh
connection, so that nothing the asking process has loaded can colour the number. A screening uses one agent again and
again; a finalist is measured by three fresh ones, because where the memory of a process comes to lie is luck.
"""

import hashlib
import io
import statistics
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from nas.errors import LatencyError
from nas.latency.artifacts.model_bytes import SizedModel
from nas.latency.artifacts.prepare import prepare_reference
from nas.latency.protocol.estimate import Calibration, Fit, Ratio, fit
from nas.latency.protocol.percentiles import longest_s
from nas.latency.protocol.reference_nets import COMPUTE, MEMORY, reference_onnx
from nas.latency.remote.connection import AgentConnection, connect
from nas.latency.types import Latency, LatencySettings, Level

PROCESSES: dict[Level, int] = {"screening": 1, "finalist": 3}

_TIMEOUT_S = 300.0
_BUILD_S = {"tensorrt": 120.0}
"""How much longer an answer may take for each model, by runtime: an engine is built anew in every process."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models measured together.

    Attributes:
        latencies: One a model.
        ratios: Each model's latency over the first's, paired process by process; None for a percentile, whose runs are
            not paired.
    """

    latencies: tuple[Latency, ...]
    ratios: tuple[Ratio, ...] | None

    @property
    def width(self) -> float:
        """Half width of the latencies' intervals as a share of the latency, in the median of the models."""
        return statistics.median((one.high_ms - one.low_ms) / 2 / one.latency_ms for one in self.latencies)


class Device(Protocol):
    """Where a search measures: one device, or a pool of boards; what each does stands with `LatencyDevice`."""

    @property
    def settings(self) -> LatencySettings: ...

    @property
    def calibration_kept(self) -> dict[str, Any] | None: ...

    def with_calibration(self, kept: dict[str, Any]) -> "Device": ...

    def key(self, digest: str = "", imgsz: int = 0) -> dict[str, Any]: ...

    def kind(self) -> dict[str, str]: ...

    def run_once(self, model: SizedModel) -> str: ...

    def calibrated(self) -> "Device": ...

    def screen(self, model: SizedModel, target_ms: float | None) -> Latency: ...

    def compare(self, models: Sequence[SizedModel]) -> Comparison: ...


@dataclass(frozen=True)
class LatencyDevice:
    """A device, and how latency is measured on it.

    It keeps an agent of its own open for what needs no fresh process; the agent ends with it, or with this process. A
    copy that travels to another process opens its own there.

    Attributes:
        settings: Where and with what.
        calibration: What the references take there; None while it is not known, and for a percentile, which is set in
            relation to nothing.
    """

    settings: LatencySettings
    calibration: Calibration | None = None
    _open: list[AgentConnection] = field(default_factory=list, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[Self], tuple[LatencySettings, Calibration | None]]:
        """A copy without the connection."""
        return type(self), (self.settings, self.calibration)

    @property
    def calibration_kept(self) -> dict[str, Any] | None:
        """The calibration as plain values, to be kept with a study; None while it is not known."""
        return None if self.calibration is None else self.calibration.to_dict()

    def with_calibration(self, kept: dict[str, Any]) -> Self:
        """The same device with what `calibration_kept` gave."""
        return replace(self, calibration=Calibration.from_dict(kept))

    def key(self, digest: str = "", imgsz: int = 0) -> dict[str, Any]:
        """Everything that a latency there hangs on.

        Args:
            digest: Of the model's file.
            imgsz: Its input size in pixels.

        Raises:
            LatencyError: The device cannot be reached.
        """
        key: dict[str, Any] = self._ask({"do": "key", "settings": _plain(self.settings)})["key"]
        return {**key, "model": digest, "input_shape": [1, 3, imgsz, imgsz]}

    def kind(self) -> dict[str, str]:
        """What devices have in common whose latencies are compared: `device`, `runtime`, `runtime_version`.

        Raises:
            LatencyError: The device cannot be reached.
        """
        kind: dict[str, str] = self._ask({"do": "key", "settings": _plain(self.settings)})["kind"]
        return kind

    def run_once(self, model: SizedModel) -> str:
        """Run a model once, without timing it, and check its outputs.

        Args:
            model: The file and its input size.

        Returns:
            The runtime's version there.

        Raises:
            LatencyError: It does not run there, its outputs are not finite, or the device is lost.
        """
        (sent,) = _sent(self._agent(), [model])
        asked = {"do": "try", "settings": _plain(self.settings), "model": sent}
        return str(self._ask(asked, _timeout_s(self.settings, 1))["runtime_version"])

    def calibrated(self, *, fresh: bool = False) -> Self:
        """The same device with its calibration: as known, stored there, or measured now (about 20 s).

        Args:
            fresh: Measure now, whatever is known or stored.

        Raises:
            LatencyError: The device cannot be reached, or is too disturbed.
        """
        if self.settings.statistic != "quiet" or (self.calibration is not None and not fresh):
            return self
        return replace(self, calibration=self._calibrate(fresh))

    def screen(self, model: SizedModel, target_ms: float | None) -> Latency:
        """Measure one model for a second or two, with the agent that is kept open.

        Args:
            model: The file and its input size.
            target_ms: The latency limit; the measurement ends early once the whole interval lies above it.

        Raises:
            LatencyError: The model does not run, the device is lost or too disturbed.
        """
        known = self.calibrated().calibration
        request, wait_s = _request(self._agent(), [model], self.settings, "screening", known, target_ms)
        reply = self._ask(request, wait_s)
        if known is None:
            return _observed([model], reply, self.settings, "screening").latencies[0]
        return _joined([model], [reply], self.settings, "screening", known).latencies[0]

    def compare(
        self,
        models: Sequence[SizedModel],
        *,
        level: Level = "finalist",
        pictures: Sequence[NDArray[np.float32]] = (),
    ) -> Comparison:
        """Measure models together, in turn, in fresh processes.

        Args:
            models: The files and their input sizes.
            level: `finalist` takes three processes, `screening` one.
            pictures: For the scope `+nms`, those that each model detects in, (N, 3, imgsz, imgsz) float32 in [0, 1].

        Raises:
            LatencyError: A model does not run, the device is lost or too disturbed.
        """
        known = self.calibrated().calibration
        replies = []
        for _ in range(1 if known is None else PROCESSES[level]):
            with connect(self.settings.place) as link:
                request, wait_s = _request(link, models, self.settings, level, known, None, pictures)
                replies.append(link.ask(request, wait_s))
        if known is None:
            return _observed(models, replies[0], self.settings, level)
        return _joined(models, replies, self.settings, level, known)

    def close(self) -> None:
        """End the agent that is kept open; the next question opens another."""
        while self._open:
            _close(self._open.pop())

    def _calibrate(self, fresh: bool) -> Calibration:
        with connect(self.settings.place) as link:  # a fresh process, as for every calibration
            request = {
                "do": "calibrate",
                "settings": _plain(self.settings),
                "references": _sent(link, _references(self.settings)),
                "memory_bytes": _memory_bytes(self.settings),
                "fresh": fresh,
            }
            return Calibration.from_dict(link.ask(request, _timeout_s(self.settings, 2))["calibration"])

    def _agent(self) -> AgentConnection:
        if self._open and not self._open[0].alive:
            self.close()  # it was lost, maybe while a model travelled
        if not self._open:
            link = connect(self.settings.place)
            self._open.append(link)
            weakref.finalize(self, _close, link)
        return self._open[0]

    def _ask(self, request: dict[str, Any], wait_s: float = _TIMEOUT_S) -> dict[str, Any]:
        return self._agent().ask(request, wait_s)


def _close(link: AgentConnection) -> None:
    with suppress(LatencyError):
        link.close()


def _request(
    link: AgentConnection,
    models: Sequence[SizedModel],
    settings: LatencySettings,
    level: Level,
    calibrated: Calibration | None,
    target_ms: float | None,
    pictures: Sequence[NDArray[np.float32]] = (),
) -> tuple[dict[str, Any], float]:
    """What an agent is asked, its files sent before, and for how many seconds its answer is waited for."""
    request: dict[str, Any] = {"do": "measure", "settings": _plain(settings), "models": _sent(link, models)}
    if pictures:
        request["pictures"] = [_sent_array(link, one) for one in pictures]
    if calibrated is not None:
        references = _sent(link, _references(settings))
        request |= {"level": level, "references": references, "calibration": calibrated.to_dict()}
        request["target_ms"] = target_ms
    run_s = longest_s(settings.statistic, settings.sustained_s)
    return request, _timeout_s(settings, len(models) + 2) + len(models) * run_s


def _timeout_s(settings: LatencySettings, models: int) -> float:
    """How long an answer is waited for whose making loads so many models."""
    return _TIMEOUT_S + models * _BUILD_S.get(settings.runtime, 0.0)


def _sent(link: AgentConnection, models: Sequence[SizedModel]) -> list[dict[str, Any]]:
    for one in models:
        link.send_model(one.model.data, one.model.digest)
    return [one.to_dict() for one in models]


def _sent_array(link: AgentConnection, array: NDArray[np.float32]) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    link.send_model(buffer.getvalue(), digest)
    return digest


def _references(settings: LatencySettings) -> list[SizedModel]:
    return [SizedModel(prepare_reference(one, settings), one.imgsz) for one in (COMPUTE, MEMORY)]


def _memory_bytes(settings: LatencySettings) -> int:
    """Size of MEMORY's weights as the runtime's files have them."""
    sent = prepare_reference(MEMORY, settings)
    return len(reference_onnx(MEMORY) if sent.kind == "reference" else sent.data)


def _plain(settings: LatencySettings) -> dict[str, Any]:
    # Where the agent runs, everything is local.
    return asdict(replace(settings, place="local"))


def _joined(
    models: Sequence[SizedModel],
    replies: Sequence[dict[str, Any]],
    settings: LatencySettings,
    level: Level,
    calibrated: Calibration,
) -> Comparison:
    slices = [tuple(tuple(runs) for runs in one) for reply in replies for one in reply["slices"]]
    home = [index for index, reply in enumerate(replies) for _ in reply["slices"]]
    found: Fit = fit(slices, calibrated, [len(one.model.data) for one in models], home)
    dropped = {cause: sum(reply["dropped"][cause] for reply in replies) for cause in replies[0]["dropped"]}
    device = {
        "ahead": float(all(reply["ahead"] for reply in replies)),
        "load": max(reply["load"] for reply in replies),
    }
    latencies = []
    for index, (model, estimate) in enumerate(zip(models, found.estimates, strict=True)):
        latencies.append(
            Latency(
                latency_ms=estimate.latency_ms,
                low_ms=estimate.low_ms,
                high_ms=estimate.high_ms,
                seconds=sum(reply["seconds"] for reply in replies),
                waited_s=sum(reply["waited_s"] for reply in replies),
                processes=len(replies),
                slices_ms=estimate.adjusted_ms,
                samples=tuple((one[index], *one[-2:]) for one in slices),
                dropped=dropped,
                conditions={**asdict(found.conditions), "slope": estimate.slope, **device},
                calibration=calibrated.identity,
                settings=settings,
                imgsz=model.imgsz,
                level=level,
                key=replies[0]["keys"][index],
                build_s=replies[0]["build_s"][index],
            )
        )
    return Comparison(tuple(latencies), found.ratios)


def _observed(
    models: Sequence[SizedModel], reply: dict[str, Any], settings: LatencySettings, level: Level
) -> Comparison:
    latencies = [
        Latency(
            latency_ms=seen["latency_ms"],
            low_ms=seen["low_ms"],
            high_ms=seen["high_ms"],
            seconds=seen["seconds"],
            processes=1,
            slices_ms=(),
            samples=((tuple(seen["runs"]),),),
            dropped={},
            conditions={},
            calibration="",
            settings=settings,
            imgsz=model.imgsz,
            level=level,
            key=key,
            build_s=build_s,
        )
        for model, key, build_s, seen in zip(
            models, reply["keys"], reply["build_s"], reply["observations"], strict=True
        )
    ]
    return Comparison(tuple(latencies), None)
