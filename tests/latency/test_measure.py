"""Measuring through agents: what is asked of them, what is made of their answers, and a few real measurements."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import DeviceLost, LatencyError, ModelError, UsageError
from nas.latency import Latency, LatencyDevice, LatencySettings, measure, model_latencies
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.artifacts.model_files import find_model
from nas.latency.protocol.estimate import Calibration
from nas.latency.protocol.reference_nets import COMPUTE, MEMORY, reference_onnx
from tests.latency.conftest import CALIBRATION, IMGSZ, measurable
from tests.latency.device import Device

ONE, OTHER = (SizedModel(ModelBytes("onnx", letter * 2_000_000), 96) for letter in (b"a", b"b"))
QUIET = Device(clock=(1.0, 1.0), memory=(1.0, 1.0), flutter=0.0, noise=0.002, bursts=0.0)


class FakeLink:
    """An agent that answers as it is told, and notes what it was asked and sent."""

    def __init__(self, place: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.place, self.answer = place, answer
        self.alive = True
        self.asked: list[dict[str, Any]] = []
        self.sent: list[str] = []

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        self.asked.append({**request, "timeout_s": timeout_s})
        try:
            return self.answer(request)
        except DeviceLost:
            self.alive = False
            raise

    def send_model(self, data: bytes, digest: str) -> None:
        self.sent.append(digest)

    def close(self) -> None:
        self.alive = False

    def __enter__(self) -> "FakeLink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _key(model: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    return {"model": model["digest"], "imgsz": model["imgsz"], "statistic": request["settings"]["statistic"]}


class Agents:
    """All agents that a test starts."""

    def __init__(self) -> None:
        self.links: list[FakeLink] = []
        self.lost = False
        self.latencies_ms = {ONE.model.digest: 5.0, OTHER.model.digest: 10.0}

    def connect(self, place: str) -> FakeLink:
        self.links.append(FakeLink(place, self.answer))
        return self.links[-1]

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.lost:
            raise DeviceLost("the board was lost")
        keys = [_key(model, request) for model in request["models"]]
        times = [self.latencies_ms[model["digest"]] for model in request["models"]]
        if request["settings"]["statistic"] != "quiet":
            seen = [
                {"latency_ms": ms, "low_ms": ms - 1, "high_ms": ms + 1, "runs": [ms, ms + 0.5], "seconds": 9.0}
                for ms in times
            ]
            return {"keys": keys, "build_s": [7.0] * len(keys), "observations": seen}
        slices, _ = QUIET.slices(np.random.default_rng(len(self.links)), [(ms, 0.4) for ms in times], processes=1)
        dropped = {"runs_preempted": 2, "slices_stolen": 1}
        return {"keys": keys, "build_s": [7.0] * len(keys), "slices": slices, "dropped": dropped} | {
            "seconds": 1.5,
            "waited_s": 0.5,
            "ahead": len(self.links) > 1,
            "load": 0.25 * len(self.links),
        }


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agents]:
    made = Agents()
    monkeypatch.setattr(measure, "connect", made.connect)
    yield made


def test_a_finalist_is_measured_by_three_fresh_processes(agents: Agents) -> None:
    settings = LatencySettings(place="ssh://pi@board", threads=2)
    (latency,) = LatencyDevice(settings, CALIBRATION).compare([ONE]).latencies
    assert [link.place for link in agents.links] == ["ssh://pi@board"] * 3
    assert not any(link.alive for link in agents.links)
    assert latency.processes == 3 and latency.level == "finalist"
    assert (latency.seconds, latency.waited_s) == (4.5, 1.5)
    assert latency.low_ms < latency.latency_ms < latency.high_ms
    assert latency.latency_ms == pytest.approx(5.0, rel=0.02)
    assert latency.dropped == {"runs_preempted": 6, "slices_stolen": 3}
    assert (latency.calibration, latency.settings, latency.imgsz) == (CALIBRATION.identity, settings, 96)
    assert latency.key == {"model": ONE.model.digest, "imgsz": 96, "statistic": "quiet"}
    assert set(latency.conditions) == {"clock", "memory", "slope", "ahead", "load"}
    assert latency.conditions["ahead"] == 0.0  # not in the first of the three
    assert latency.conditions["load"] == 0.75  # in the last of them
    assert latency.build_s == 7.0  # an engine is built once; not a part of `seconds`


def test_what_an_agent_is_asked(agents: Agents) -> None:
    settings = LatencySettings(place="ssh://pi@board", threads=2)
    LatencyDevice(settings, CALIBRATION).compare([ONE, OTHER])
    references = [reference_onnx(one) for one in (COMPUTE, MEMORY)]
    for link in agents.links:
        (request,) = link.asked
        assert request["do"] == "measure" and request["level"] == "finalist" and request["target_ms"] is None
        assert request["settings"]["place"] == "local" and request["settings"]["threads"] == 2
        assert request["calibration"] == CALIBRATION.to_dict()
        assert request["models"] == [ONE.to_dict(), OTHER.to_dict()]
        named = [one["digest"] for one in request["references"]]
        assert named == [ModelBytes("onnx", data).digest for data in references]
        assert set(link.sent) == {ONE.model.digest, OTHER.model.digest, *named}


def test_models_are_compared_with_the_first(agents: Agents) -> None:
    found = LatencyDevice(LatencySettings(), CALIBRATION).compare([ONE, OTHER], level="screening")
    assert len(agents.links) == 1
    assert found.ratios is not None
    first, second = found.ratios
    assert (first.value, first.low, first.high) == (1.0, 1.0, 1.0)
    assert second.low < second.value < second.high and second.value == pytest.approx(2.0, rel=0.02)
    assert [one.key["model"] for one in found.latencies] == [ONE.model.digest, OTHER.model.digest]


def test_raw_runs_are_kept_for_each_model_beside_the_references(agents: Agents) -> None:
    one, other = LatencyDevice(LatencySettings(), CALIBRATION).compare([ONE, OTHER], level="screening").latencies
    assert len(one.samples) == len(other.samples) == 8
    for mine, theirs in zip(one.samples, other.samples, strict=True):
        assert len(mine) == len(theirs) == 3
        assert mine[0] != theirs[0] and mine[1:] == theirs[1:]
        assert mine[0][0] == pytest.approx(5.0, rel=0.05) and theirs[0][0] == pytest.approx(10.0, rel=0.05)
        assert mine[1][0] == pytest.approx(CALIBRATION.compute_ms, rel=0.05)
    assert Latency.from_dict(one.to_dict()).samples == tuple(
        tuple(tuple(round(run, 4) for run in runs) for runs in part) for part in one.samples
    )


def test_a_screening_uses_one_agent_again_and_tells_it_the_target(agents: Agents) -> None:
    settings = LatencySettings()
    device = LatencyDevice(settings, CALIBRATION)
    for target_ms in (None, 2.5):
        latency = device.screen(ONE, target_ms)
        assert (latency.level, latency.processes) == ("screening", 1)
    (link,) = agents.links
    assert link.alive and [request["target_ms"] for request in link.asked] == [None, 2.5]
    LatencyDevice(replace(settings, place="ssh://pi@board"), CALIBRATION).screen(ONE, None)
    assert [one.place for one in agents.links] == ["local", "ssh://pi@board"]


def test_a_lost_agent_is_no_number_and_is_replaced(agents: Agents) -> None:
    agents.lost = True
    device = LatencyDevice(LatencySettings(), CALIBRATION)
    with pytest.raises(DeviceLost, match="the board was lost"):
        device.screen(ONE, None)
    with pytest.raises(DeviceLost, match="the board was lost"):
        device.compare([ONE])
    agents.lost = False
    assert device.screen(ONE, None).latency_ms == pytest.approx(5.0, rel=0.02)
    assert len(agents.links) == 3 and agents.links[-1].alive


def test_an_agent_that_is_lost_while_a_model_travels_is_replaced(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = LatencyDevice(LatencySettings(), CALIBRATION)
    device.screen(ONE, None)

    def broken(link: FakeLink, data: bytes, digest: str) -> None:
        link.alive = False
        raise DeviceLost("the board was lost")

    with monkeypatch.context() as patched, pytest.raises(DeviceLost):
        patched.setattr(FakeLink, "send_model", broken)
        device.screen(OTHER, None)
    assert device.screen(OTHER, None).latency_ms == pytest.approx(10.0, rel=0.02)
    assert len(agents.links) == 2


def test_a_percentile_is_told_as_it_was_seen(agents: Agents) -> None:
    settings = LatencySettings(statistic="p95", sustained_s=60.0)
    found = LatencyDevice(settings).compare([ONE, OTHER])
    assert found.ratios is None
    first = found.latencies[0]
    assert (first.latency_ms, first.low_ms, first.high_ms) == (5.0, 4.0, 6.0)
    assert (first.samples, first.slices_ms, first.calibration, first.processes) == ((((5.0, 5.5),),), (), "", 1)
    (link,) = agents.links
    (request,) = link.asked
    assert not {"references", "calibration"} & set(request)
    assert request["timeout_s"] > 2 * 60  # both models run for a minute


def test_engines_that_are_built_are_waited_for(agents: Agents) -> None:
    waits = []
    for runtime in ("onnxruntime", "tensorrt"):
        settings = LatencySettings(runtime, statistic="p95", sustained_s=60.0, device="cuda:0")
        LatencyDevice(settings).screen(ONE, None)
        waits.append(agents.links[-1].asked[-1]["timeout_s"])
    assert waits[1] >= waits[0] + 60


def test_a_percentile_needs_no_calibration(agents: Agents) -> None:
    settings = LatencySettings(statistic="p50")
    assert LatencyDevice(settings).calibrated().calibration is None
    assert LatencyDevice(settings).screen(ONE, 2.5).latency_ms == 5.0
    assert [request["do"] for link in agents.links for request in link.asked] == ["measure"]


def test_pictures_travel_as_arrays_by_their_digests(agents: Agents) -> None:
    pictures = np.zeros((2, 3, 96, 96), dtype=np.float32)
    LatencyDevice(LatencySettings(scope="+nms"), CALIBRATION).compare([ONE], level="screening", pictures=[pictures])
    (link,) = agents.links
    (request,) = link.asked
    (digest,) = request["pictures"]
    assert digest in link.sent and digest != ONE.model.digest


# --- for real


def _reference_file(folder: Path) -> Path:
    path = folder / "reference.onnx"
    path.write_bytes(reference_onnx(COMPUTE))
    return path


@pytest.mark.measures
def test_a_real_screening(calibrated: Calibration, tiny: SizedModel) -> None:
    settings = LatencySettings()
    latency = measurable(lambda: LatencyDevice(settings, calibrated).screen(tiny, None))
    assert 0 < latency.low_ms <= latency.latency_ms <= latency.high_ms
    assert (latency.settings, latency.imgsz, latency.calibration) == (settings, IMGSZ, calibrated.identity)
    assert latency.key["model"] == tiny.model.digest and latency.key["input_shape"] == [1, 3, IMGSZ, IMGSZ]
    assert len(latency.slices_ms) >= 4 and all(len(one) == 3 for one in latency.samples)
    # Whatever the machine: no model runs in a microsecond, and every one within a minute.
    assert measurable(lambda: LatencyDevice(settings, calibrated).screen(tiny, 0.001)).above(0.001)
    assert measurable(lambda: LatencyDevice(settings, calibrated).screen(tiny, 60_000.0)).meets(60_000.0)


@pytest.mark.measures
@pytest.mark.slow
@pytest.mark.parametrize("scope", ["compute", "+copies"])
def test_two_real_models_side_by_side(calibrated: Calibration, tiny: SizedModel, scope: str) -> None:
    small = SizedModel(ModelBytes("onnx", reference_onnx(COMPUTE)), COMPUTE.imgsz)
    settings = LatencySettings(scope=scope)
    found = measurable(lambda: LatencyDevice(settings, calibrated).compare([tiny, small], level="screening"))
    assert found.ratios is not None
    assert 0 < found.ratios[1].low <= found.ratios[1].value <= found.ratios[1].high
    assert [one.key["model"] for one in found.latencies] == [tiny.model.digest, small.model.digest]
    assert [one.key["scope"] for one in found.latencies] == [scope] * 2


@pytest.mark.measures
@pytest.mark.slow
def test_a_real_nms_of_pictures(calibrated: Calibration, tiny: SizedModel) -> None:
    pictures = np.random.default_rng(0).random((2, 3, IMGSZ, IMGSZ), dtype=np.float32)
    settings = LatencySettings(scope="+nms", statistic="p50", sustained_s=0.1)
    (latency,) = LatencyDevice(settings).compare([tiny], pictures=[pictures]).latencies
    assert 0 < latency.low_ms <= latency.latency_ms <= latency.high_ms
    assert len(latency.samples[0][0]) >= 100


@pytest.mark.measures
def test_what_cannot_be_measured_is_told_by_its_own_error(calibrated: Calibration, tiny: SizedModel) -> None:
    with pytest.raises(LatencyError, match="cannot load the model"):
        LatencyDevice(LatencySettings(), calibrated).screen(SizedModel(ModelBytes("onnx", b"rubbish"), IMGSZ), None)
    with pytest.raises(LatencyError, match=r"the measurement needs \(1, 3, 96, 96\)"):
        LatencyDevice(LatencySettings(), calibrated).screen(replace(tiny, imgsz=96), None)


@pytest.mark.measures
@pytest.mark.slow
def test_answers_come_from_the_cache_until_they_are_asked_for_anew(
    calibrated: Calibration, tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The references are as they were: another calibration would be another unit, and rightly nothing would be found.
    settings = LatencySettings()
    device = LatencyDevice(settings, calibrated)
    files = [find_model(str(tiny_onnx)), find_model(str(_reference_file(tmp_path)))]
    sizes = [model_latencies.choose_imgsz(file, None, settings.runtime) for file in files]
    assert sizes == [IMGSZ, COMPUTE.imgsz]

    def ask(**more: Any) -> model_latencies.Answer:
        return measurable(lambda: model_latencies.latencies_of(files, sizes, device, "screening", **more))

    first, again, fresh, kept = ask(fresh=True), ask(), ask(fresh=True), ask()
    assert first.age_s is None and fresh.age_s is None
    assert again.age_s is not None and again.age_s >= 0 and again.found.ratios == first.found.ratios
    assert [one.latency_ms for one in again.found.latencies] == [one.latency_ms for one in first.found.latencies]
    assert kept.found.latencies[0].latency_ms == fresh.found.latencies[0].latency_ms
    assert [one.key["model"] for one in first.found.latencies] == [file.digest for file in files]


def test_nms_of_an_untrained_model_means_nothing() -> None:
    file = find_model("yolo11n.yaml")
    with pytest.raises(UsageError, match=r"\+nms needs a trained model .*'yolo11n.yaml'.* random"):
        model_latencies.latencies_of([file], [64], LatencyDevice(LatencySettings(scope="+nms")))


def test_a_latency_that_hangs_on_pictures_names_them() -> None:
    some, others = np.zeros((2, 3, 8, 8), dtype=np.float32), np.ones((2, 3, 8, 8), dtype=np.float32)
    assert model_latencies.pictures_key([None, None]) == {}
    assert model_latencies.pictures_key([some, None]) == model_latencies.pictures_key([some.copy(), None])
    digests = {model_latencies.pictures_key(used)["pictures"] for used in ([some], [others], [some, others])}
    assert len(digests) == 3


def test_a_model_that_cannot_be_built_is_said_before_the_device_is_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLock:
        def training(self) -> Any:
            return nullcontext()

    monkeypatch.setattr("nas.latency.model_latencies.MachineLock", NoLock)
    monkeypatch.setattr(LatencyDevice, "key", lambda self, digest, imgsz: {"model": digest, "test": str(tmp_path)})
    monkeypatch.setattr(LatencyDevice, "calibrated", lambda self: pytest.fail("the device was calibrated"))
    design = tmp_path / "model.yaml"
    design.write_text("nc: 1\nbackbone:\n  - [-1, 1, Convv, [16, 3, 2]]\nhead:\n  - [[0], 1, Detect, [nc]]\n")
    with pytest.raises(ModelError, match=r"model\.yaml cannot be built"):
        model_latencies.latencies_of([find_model(str(design))], [64], LatencyDevice(LatencySettings()))
