"""The calibration, on a machine with an injected clock: what counts as quiet, and when a stored one is found."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nas.errors import StorageError, Unmeasurable
from nas.latency.protocol import calibration
from nas.latency.protocol.estimate import Calibration
from tests.latency.machine import FakeMachine

KEY: dict[str, Any] = {"device": "a board", "runtime": "onnxruntime", "threads": 1, "references": ["ab", "cd"]}
COMPUTE_MS, MEMORY_MS = 0.35, 2.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))


class Bursts:
    """The references on a fake machine, and how often they were loaded and how long was slept between."""

    def __init__(self, machine: FakeMachine) -> None:
        self.machine, self.loaded, self.slept = machine, 0, list[float]()

    @contextmanager
    def open(self) -> Iterator[calibration.Runs]:
        self.loaded += 1
        compute, memory = self.machine.contestants
        yield compute, memory

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.machine.sleep(seconds)

    def calibrate(self, key: dict[str, Any] = KEY) -> Calibration:
        return calibration.calibrate(self.open, key, 12_000_000, self.machine.probe(), self.sleep)


def test_a_quiet_machine_is_calibrated_at_what_its_references_take() -> None:
    bursts = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS))
    made = bursts.calibrate()
    assert (made.compute_ms, made.memory_ms) == (pytest.approx(COMPUTE_MS), pytest.approx(MEMORY_MS))
    assert made.memory_bytes == 12_000_000
    assert bursts.loaded == 5  # anew for each burst: where weights lie is luck
    assert bursts.slept == [2.0] * len(bursts.slept) and len(bursts.slept) >= 4
    assert bursts.machine.now_s == pytest.approx(5 * 2.0 + sum(bursts.slept), abs=1.0)


def test_the_quiet_bursts_count_for_each_reference() -> None:
    # Busy for the first 9 seconds: the processor slow, then the memory contended; quiet afterwards.
    def slowed(machine: FakeMachine, contestant: int) -> float:
        if machine.now_s < 4:
            return 1.2
        return 1.3 if contestant == 1 and machine.now_s < 9 else 1.0

    made = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS, slowed=slowed)).calibrate()
    assert (made.compute_ms, made.memory_ms) == (pytest.approx(COMPUTE_MS), pytest.approx(MEMORY_MS))


def test_a_few_lucky_runs_do_not_decide() -> None:
    # For a fiftieth of the time everything is a third faster; the low quantile of a burst does not see it.
    def slowed(machine: FakeMachine, contestant: int) -> float:
        return 0.67 if int(machine.now_s / 0.002) % 50 == 25 else 1.0

    made = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS, slowed=slowed)).calibrate()
    assert (made.compute_ms, made.memory_ms) == (pytest.approx(COMPUTE_MS), pytest.approx(MEMORY_MS))


def test_a_machine_too_disturbed_is_refused_and_nothing_is_kept() -> None:
    with pytest.raises(Unmeasurable, match="were preempted"):
        Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS, preempt=lambda run: 5.0)).calibrate()
    assert calibration.find(KEY) is None


def test_what_was_kept_is_found_by_an_equal_key_only() -> None:
    made = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS)).calibrate()
    assert calibration.find(dict(KEY)) == made
    for change in ({"device": "b"}, {"runtime": "torch"}, {"threads": 2}, {"references": ["ab", "ef"]}, {"more": 1}):
        assert calibration.find({**KEY, **change}) is None


def test_a_file_under_the_right_name_with_another_key_is_not_served() -> None:
    Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS)).calibrate()
    path = calibration.file_of(KEY)
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "key": {**KEY, "threads": 2}}))
    assert calibration.find(KEY) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"key": 1}', b"\xff\xfe", b'{"calibration": {"x": 1}}'])
def test_a_broken_file_is_as_good_as_none_and_is_replaced(content: bytes) -> None:
    bursts = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS))
    bursts.calibrate()
    path = calibration.file_of(KEY)
    path.write_bytes(content)
    assert calibration.find(KEY) is None
    path.write_text(json.dumps({"key": KEY, "calibration": {"compute_ms": 1.0}}))
    assert calibration.find(KEY) is None
    again = bursts.calibrate()
    assert calibration.find(KEY) == again
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_two_calibrations_have_two_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    bursts = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS))
    first = bursts.calibrate()
    assert bursts.calibrate().identity != first.identity
    assert bursts.calibrate({**KEY, "threads": 2}).identity != first.identity


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot write in"):
        Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS)).calibrate()


@pytest.mark.parametrize(
    ("compute", "memory", "faster"),
    [(1.2, 1.1, False), (0.98, 0.95, False), (0.95, 1.0, True), (1.0, 0.88, True)],
)
def test_a_glance_is_short_and_sees_a_machine_that_is_faster_now(compute: float, memory: float, faster: bool) -> None:
    than = Bursts(FakeMachine.steady(COMPUTE_MS, MEMORY_MS)).calibrate()
    machine = FakeMachine.steady(compute * COMPUTE_MS, memory * MEMORY_MS)
    first, second = machine.contestants
    assert calibration.clearly_faster((first, second), machine.probe(), than) is faster
    assert machine.now_s < 1.0


def test_bursts_on_a_shared_core_do_not_count() -> None:
    # The core is shared for the first 12 seconds, three of five bursts.
    bursts = Bursts(
        FakeMachine.steady(
            COMPUTE_MS, MEMORY_MS, slowed=lambda machine, contestant: 1.5 - contestant / 10 if machine.now_s < 12 else 1
        )
    )
    made = bursts.calibrate()
    assert (made.compute_ms, made.memory_ms) == (pytest.approx(COMPUTE_MS), pytest.approx(MEMORY_MS))
    assert 5 < bursts.loaded <= 10
