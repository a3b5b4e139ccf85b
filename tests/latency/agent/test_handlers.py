"""What the agent does when it is asked to measure: the key, the calibration it takes, when it stops and refuses."""

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import LatencyError, RuntimeMissing, Unmeasurable
from nas.latency import LatencySettings
from nas.latency.agent import handlers
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.protocol import calibration
from nas.latency.protocol.collect import Slice
from nas.latency.protocol.estimate import Calibration
from nas.latency.protocol.plan import PLANS
from nas.latency.protocol.reference_nets import COMPUTE, MEMORY, reference_onnx
from nas.latency.runtimes.session import Session
from tests.latency.conftest import CALIBRATION, IMGSZ, measurable
from tests.latency.device import Device, bytes_of
from tests.latency.machine import FakeMachine

REFERENCES = [SizedModel(ModelBytes("onnx", reference_onnx(one)), one.imgsz) for one in (COMPUTE, MEMORY)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))
    # A calibration of a fifth of a second: what a short one finds is not what is tested here.
    short = replace(calibration._PLAN, measure_s=0.02, patience_s=0.1, warmup_s=0.01)
    monkeypatch.setattr(calibration, "_PLAN", short)
    monkeypatch.setattr(calibration, "_APART_S", 0.0)


# --- the key


def test_the_key_has_everything_that_a_latency_hangs_on() -> None:
    found = handlers.key("ab", 96, LatencySettings(scope="+copies", precision="int8"))
    assert list(found) == [
        *("model", "device", "runtime", "runtime_version", "threads", "precision", "input_shape", "scope", "statistic")
    ]
    assert (found["model"], found["input_shape"], found["scope"], found["precision"], found["statistic"]) == (
        "ab",
        [1, 3, 96, 96],
        "+copies",
        "int8",
        "quiet",
    )


@pytest.mark.parametrize(
    "settings",
    [
        LatencySettings("openvino"),
        LatencySettings(threads=2),
        LatencySettings(precision="int8"),
        LatencySettings(scope="+nms"),
        LatencySettings(statistic="p95"),
        LatencySettings(statistic="p95", sustained_s=60.0),
    ],
)
def test_another_way_of_measuring_is_another_key(settings: LatencySettings) -> None:
    plain, other = handlers.key("ab", 96, LatencySettings(statistic="p95" if settings.sustained_s else "quiet")), None
    other = handlers.key("ab", 96, settings)
    assert other != plain


def test_no_key_of_a_runtime_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.latency.runtimes.registry.is_installed", lambda runtime: False)
    with pytest.raises(RuntimeMissing, match="pip install"):
        handlers.key("ab", 96, LatencySettings())


# --- the calibration it takes


class Made:
    """Stands for the 20 seconds of a real calibration."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: tuple[float, float]) -> None:
        self.keys: list[dict[str, Any]] = []
        self.now = now
        monkeypatch.setattr(calibration, "calibrate", self.calibrate)
        monkeypatch.setattr(calibration, "pooled_figures", lambda slices: self.now)

    def calibrate(self, open_references: object, key: dict[str, Any], memory_bytes: int, probe: object) -> Calibration:
        self.keys.append(key)
        compute_ms, memory_ms = self.now
        made = Calibration(compute_ms, memory_ms, memory_bytes, 0.0, f"{len(self.keys)}")
        calibration.keep(key, made)
        return made


def _asked(fresh: bool = False, **settings: Any) -> dict[str, Any]:
    request = {
        "settings": asdict(LatencySettings(**settings)),
        "references": [one.to_dict() for one in REFERENCES],
        "memory_bytes": 12_000_000,
        "fresh": fresh,
    }
    data = {one.model.digest: one.model.data for one in REFERENCES}
    return handlers.calibrate_here(request, data.__getitem__)


def test_a_calibration_is_made_once_for_all_models_sizes_and_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(monkeypatch, (0.35, 2.0))
    first = _asked()
    assert first["made"] and Calibration.from_dict(first["calibration"]).memory_bytes == 12_000_000
    for scope in ("compute", "+copies"):
        again = _asked(scope=scope)
        assert not again["made"] and again["calibration"] == first["calibration"]
    (key,) = made.keys
    assert key["references"] == [one.model.digest for one in REFERENCES]
    assert not {"model", "input_shape", "scope", "statistic"} & set(key)


@pytest.mark.parametrize("settings", [{"threads": 2}, {"precision": "int8"}, {"runtime": "openvino"}])
def test_another_way_of_computing_needs_its_own(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(monkeypatch, (0.35, 2.0))
    first, other = _asked(), _asked(**settings)
    assert first["made"] and other["made"]
    assert made.keys[0] != made.keys[1]


def test_a_fresh_one_is_made_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Made(monkeypatch, (0.35, 2.0))
    first, fresh = _asked(), _asked(fresh=True)
    assert fresh["made"] and fresh["calibration"]["identity"] != first["calibration"]["identity"]
    assert _asked()["calibration"] == fresh["calibration"]


@pytest.mark.parametrize(
    ("now", "again"),
    [
        ((0.35, 2.0), False),
        ((0.45, 2.9), False),  # busier than then: set in relation
        ((0.345, 1.85), False),  # noise
        ((0.33, 2.0), True),
        ((0.35, 1.75), True),
    ],
)
def test_a_machine_clearly_faster_than_when_it_was_calibrated_was_not_quiet_then(
    monkeypatch: pytest.MonkeyPatch, now: tuple[float, float], again: bool
) -> None:
    made = Made(monkeypatch, (0.35, 2.0))
    first = _asked()
    made.now = now
    second = _asked()
    assert second["made"] == again
    assert (second["calibration"] == first["calibration"]) == (not again)


# --- when it stops, and what it refuses


def _slices(device: Device, latency_ms: float, count: int, seed: int = 0) -> list[Slice]:
    return device.slices(np.random.default_rng(seed), [(latency_ms, 0.3)], slices=count, processes=1)[0]


def _judge(level: str, latency_ms: float, target_ms: float | None = None) -> handlers._Judge:
    return handlers._Judge(PLANS[level], CALIBRATION, [bytes_of(0.3, latency_ms)], target_ms)  # type: ignore[index]


CALM = Device(clock=(1.0, 1.0), memory=(1.0, 1.0), flutter=0.0, noise=0.002, bursts=0.0)


def _unsteady(slices: Sequence[Slice], by: float = 0.15) -> list[Slice]:
    """The model takes longer from slice to slice, and nothing says why."""
    return [(tuple(run * (1 + by * index) for run in one[0]), *one[1:]) for index, one in enumerate(slices)]


def test_a_narrow_interval_is_enough() -> None:
    assert _judge("screening", 5.0)(_slices(CALM, 5.0, 8))
    assert not _judge("screening", 5.0)(_unsteady(_slices(CALM, 5.0, 8)))


def test_a_model_wholly_above_the_target_is_not_measured_further() -> None:
    slices = _unsteady(_slices(CALM, 5.0, 8))
    assert _judge("screening", 5.0, target_ms=2.5)(slices)
    for target_ms in (5.0, 9.0):  # not clear, or clearly met: a candidate that may be trained deserves its interval
        assert not _judge("screening", 5.0, target_ms=target_ms)(slices)
    assert not _judge("finalist", 5.0, target_ms=2.5)(slices)


def test_every_model_of_a_comparison_must_be_known_well_enough() -> None:
    both = [
        (*calm[:1], *noisy) for calm, noisy in zip(_slices(CALM, 5.0, 8), _unsteady(_slices(CALM, 5.0, 8)), strict=True)
    ]
    judge = handlers._Judge(PLANS["screening"], CALIBRATION, [bytes_of(0.3, 5.0)] * 2, None)
    assert not judge(both)


def test_an_interval_too_wide_is_no_answer_unless_it_is_one() -> None:
    wild = _slices(replace(CALM, noise=0.8), 5.0, 6)
    with pytest.raises(
        Unmeasurable, match=r"not steady: 6 slices give \d[.\d]* ms ±\d+\.\d%, at most ±15% is accepted"
    ):
        _judge("screening", 5.0).check(wild)
    with pytest.raises(Unmeasurable, match="at most ±10% is accepted"):
        _judge("finalist", 5.0, target_ms=0.1).check(wild)
    _judge("screening", 5.0, target_ms=0.1).check(wild)  # however wide, all of it is above the target
    _judge("screening", 5.0).check(_slices(CALM, 5.0, 6))


# --- a whole measurement on a fake machine


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachine]:
    """A machine on which every model takes what its number of bytes says, and the references what they do."""
    machine = FakeMachine.steady(3.0, CALIBRATION.compute_ms, CALIBRATION.memory_ms)

    @contextmanager
    def open_session(model: ModelBytes, imgsz: int, settings: LatencySettings) -> Iterator[Any]:
        from nas.latency.runtimes.session import Session

        known = {one.model.digest: index + 1 for index, one in enumerate(REFERENCES)}
        run = machine.contestants[known.get(model.digest, 0)]
        assert settings.scope == "compute" or model.digest not in known  # references are always timed alone
        yield Session(run, lambda: [np.ones(1, dtype=np.float32)], lambda picture: None)

    monkeypatch.setattr(handlers, "open_session", open_session)
    monkeypatch.setattr(handlers, "probe", machine.probe)
    yield machine


def _measured(models: Sequence[SizedModel], **more: Any) -> dict[str, Any]:
    settings, files = more.pop("settings", {}), more.pop("files", {})
    request = {
        "models": [one.to_dict() for one in models],
        "settings": asdict(LatencySettings(**settings)),
        "level": "screening",
        "references": [one.to_dict() for one in REFERENCES],
        "calibration": CALIBRATION.to_dict(),
        "target_ms": None,
        **more,
    }
    data = {one.model.digest: one.model.data for one in [*models, *REFERENCES]} | files
    return handlers.measure_here(request, data.__getitem__)


SOME = SizedModel(ModelBytes("onnx", b"m" * 1_000_000), IMGSZ)


def test_slices_hold_the_runs_of_the_models_and_both_references(fake: FakeMachine) -> None:
    reply = _measured([SOME], settings={"scope": "+copies"})
    assert [key["model"] for key in reply["keys"]] == [SOME.model.digest]
    assert reply["keys"][0]["scope"] == "+copies"
    assert len(reply["slices"]) >= PLANS["screening"].min_slices
    for one in reply["slices"]:
        assert [set(runs) for runs in one] == [{3.0}, {0.35}, {2.0}]
    assert set(reply["dropped"]) > {"runs_preempted", "slices_contended"}
    assert 0 < reply["seconds"] < fake.now_s + 1e-9


def test_a_target_far_below_ends_a_screening_at_once(fake: FakeMachine) -> None:
    fake.slowed = lambda machine, contestant: 1 + 0.04 * ((len(machine.order) // 21) % 3)
    whole, clear = _measured([SOME]), _measured([SOME], target_ms=0.5)
    assert len(clear["slices"]) == PLANS["screening"].first_look < len(whole["slices"])


def test_what_lies_little_above_the_target_takes_as_many_slices_as_an_answer(fake: FakeMachine) -> None:
    fake.slowed = lambda machine, contestant: 1 + 0.04 * ((len(machine.order) // 21) % 3)
    above = _measured([SOME], target_ms=2.8)
    assert len(above["slices"]) >= PLANS["screening"].min_slices


def test_the_time_of_a_picture_is_the_mean_over_all(fake: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 3, IMGSZ, IMGSZ), dtype=np.float32))
    ran = itertools.count()
    real = handlers.scoped

    def scoped(session: Session, imgsz: int, scope: str, pictures: bytes | None = None) -> Callable[[], None]:
        run = real(session, imgsz, "compute")

        def one() -> None:
            for _ in range(1 + 2 * (next(ran) % 4 == 0)):  # every fourth picture takes three times as long
                run()

        return one

    monkeypatch.setattr(handlers, "scoped", scoped)
    reply = _measured([SOME], settings={"scope": "+nms"}, pictures=["four"], files={"four": buffer.getvalue()})
    for one in reply["slices"]:
        assert set(one[0]) == {4.5} and set(one[1]) == {0.35}  # (9 + 3 + 3 + 3) / 4


def test_a_contended_machine_is_refused_by_what_contends(fake: FakeMachine) -> None:
    fake.slowed = lambda machine, contestant: 1.6 if contestant == 2 else 1.0
    with pytest.raises(Unmeasurable, match=r"memory-bound work ran 1\.60 times as slowly"):
        _measured([SOME])


def test_a_percentile_needs_neither_references_nor_a_calibration(fake: FakeMachine) -> None:
    settings = asdict(LatencySettings(statistic="p95", sustained_s=1.0))
    request = {"models": [SOME.to_dict()] * 2, "settings": settings}
    reply = handlers.measure_here(request, lambda digest: SOME.model.data)
    assert set(reply) == {"keys", "build_s", "observations"}
    for seen in reply["observations"]:
        assert (seen["low_ms"], seen["latency_ms"], seen["high_ms"]) == (3.0, 3.0, 3.0)
        assert len(seen["runs"]) == 334 and seen["seconds"] == pytest.approx(1.002)
    assert {key["statistic"] for key in reply["keys"]} == {"p95 of 1 s"}


def test_a_model_that_does_not_run_is_refused_before_the_device_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        training = staticmethod(nullcontext)

        def measuring(self) -> None:
            raise AssertionError("locked")

    monkeypatch.setattr(handlers, "MachineLock", Never)
    with pytest.raises(LatencyError, match="cannot load the model"):
        _measured([SizedModel(ModelBytes("onnx", b"rubbish"), IMGSZ)])


@pytest.mark.parametrize(
    ("settings", "held"),
    [(LatencySettings("torch"), "training"), (LatencySettings("torch", device="cuda:0"), "measuring")],
)
def test_nothing_trains_on_a_gpu_while_its_kernels_are_chosen(
    settings: LatencySettings, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds: list[str] = []

    @contextmanager
    def noted(name: str) -> Iterator[None]:
        holds.append(name)
        yield
        holds.pop()

    class Noting:
        def training(self) -> Any:
            return noted("training")

        def measuring(self) -> Any:
            return noted("measuring")

    def chosen(*_: object) -> Session:
        raise LatencyError(f"opened while {holds}")

    monkeypatch.setattr(handlers, "MachineLock", Noting)
    monkeypatch.setattr(handlers, "open_session", chosen)
    monkeypatch.setattr(handlers, "key", lambda *_: {})
    with pytest.raises(LatencyError, match=rf"opened while \['{held}'\]"):
        handlers.measure_here({"models": [SOME.to_dict()], "settings": asdict(settings)}, lambda digest: b"")


SLOW_AND_FAST = ((1e-6, 1e-6), (1e6, 1e-6), (1e-6, 1e6))


@pytest.mark.slow
def test_a_real_glance_sees_the_references() -> None:
    with handlers.open_references(REFERENCES, LatencySettings()) as runs:
        from nas.latency.protocol.probe import probe

        glance = [
            measurable(lambda than=than: calibration.clearly_faster(runs, probe(1), than))  # type: ignore[misc]
            for than in (Calibration(compute, memory, 1, 0.0, "") for compute, memory in SLOW_AND_FAST)
        ]
    assert glance == [False, True, True]
