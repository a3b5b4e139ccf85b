"""Several boards as one device: who measures, what a lost one changes, and which latency counts."""

import pickle
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nas.errors import DeviceLost, UsageError
from nas.latency import Latency, LatencyDevice, LatencySettings
from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
from nas.latency.device_pool import BOARDS, SPREAD, DevicePool, open_device
from nas.latency.devices.profile import DevicePlace, pooled, resolve_device
from nas.latency.measure import Comparison
from nas.search.request import _place
from nas.util import paths
from tests.latency.conftest import CALIBRATION

PLACES = ("ssh://pi@a", "ssh://pi@b", "ssh://pi@c?python=python3.12")
MODEL = SizedModel(ModelBytes("onnx", b"a"), 96)
KIND = {"device": "Raspberry Pi 5", "runtime": "onnxruntime", "runtime_version": "1.30"}


@dataclass(frozen=True)
class Board(LatencyDevice):
    """A board that answers by table; `ms` None is lost."""

    ms: float | None = 1.0
    make: str = KIND["device"]

    def screen(self, model: SizedModel, target_ms: float | None) -> Latency:
        if self.ms is None:
            raise DeviceLost(f"{self.settings.place} is away")
        return latency(self.settings, self.ms)

    def compare(self, models: Sequence[SizedModel], **_: Any) -> Comparison:
        first = self.screen(models[0], None)
        return Comparison((first, replace(first, latency_ms=2.0)), None)

    def kind(self) -> dict[str, str]:
        return {**KIND, "device": self.make}


def latency(settings: LatencySettings, ms: float) -> Latency:
    return Latency(ms, 0.9 * ms, 1.1 * ms, 1.0, 1, (), (), {}, {"clock": 1.0}, "", settings, 96, "screening", {})


def pool(*ms: float | None, makes: Sequence[str] = (KIND["device"],) * 3) -> DevicePool:
    boards = zip(PLACES, ms, makes, strict=False)
    return DevicePool(tuple(Board(LatencySettings(place=place), ms=one, make=make) for place, one, make in boards))


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LOCKS", tmp_path)


def test_a_screening_takes_a_board_that_is_free() -> None:
    boards = pool(1.0, 2.0)
    with ExitStack() as held:
        first = held.enter_context(boards._free_board())
        second = held.enter_context(pool(1.0, 2.0)._free_board())  # as another process
        assert {first.settings.place, second.settings.place} == set(PLACES[:2])
    assert boards.screen(MODEL, 9.0).settings.place in PLACES[:2]


def test_a_lost_board_is_left_out_until_all_are_lost() -> None:
    boards = pool(None, 2.0)
    assert {boards.screen(MODEL, None).latency_ms for _ in range(4)} == {2.0}
    gone = pool(None, None)
    for _ in range(2):  # whoever tries again tries all of them again
        with pytest.raises(DeviceLost, match="is away"):
            gone.screen(MODEL, None)


def test_the_slowest_board_decides_on_each_finalist() -> None:
    found = pool(1.0, 1.1, None).compare([MODEL, MODEL])
    first, second = found.latencies
    assert (first.latency_ms, second.latency_ms, first.settings.place) == (1.1, 2.0, PLACES[1])
    assert first.conditions == {"clock": 1.0, BOARDS: 2.0, SPREAD: pytest.approx(1.1)}
    assert second.conditions[SPREAD] == 1.0
    with pytest.raises(DeviceLost):
        pool(None, None).compare([MODEL])


def test_boards_are_of_one_kind() -> None:
    assert pool(1.0, 2.0).kind() == KIND
    with pytest.raises(UsageError, match=r"ssh://pi@a cpu is Raspberry Pi 5 with onnxruntime 1.30, ssh://pi@b cpu is "):
        pool(1.0, 2.0, makes=("Raspberry Pi 5", "Raspberry Pi 4")).kind()


def test_calibrations_are_kept_by_place_and_travel_with_the_pool() -> None:
    boards = open_device(LatencySettings(place=" ".join(PLACES)))
    assert isinstance(boards, DevicePool) and boards.calibration_kept is None
    kept = {place: CALIBRATION.to_dict() for place in ("ssh://pi@a", "ssh://pi@b", "ssh://pi@c")}
    known = boards.with_calibration(kept)
    assert known.calibration_kept == kept
    there = pickle.loads(pickle.dumps(known))
    assert there == known and there.settings.place == " ".join(PLACES)
    alone = open_device(LatencySettings())
    assert isinstance(alone, LatencyDevice) and alone.calibration_kept is None
    assert alone.with_calibration(CALIBRATION.to_dict()).calibration_kept == CALIBRATION.to_dict()


def test_a_user_names_the_boards_of_a_pool() -> None:
    settings = pooled([resolve_device(place) for place in PLACES]).settings()
    assert settings.places == PLACES
    assert settings.where == "ssh://pi@a, ssh://pi@b, ssh://pi@c cpu"
    assert _place(settings.place) == "ssh://pi@a ssh://pi@b ssh://pi@c"
    assert pooled([resolve_device("local")]) == resolve_device("local")
    with pytest.raises(UsageError, match="each named once; got ssh://pi@c, ssh://pi@c"):
        pooled([resolve_device(PLACES[2]), resolve_device("ssh://pi@c")])
    with pytest.raises(UsageError, match=r"measured alike: .* on cpu, there on cuda:0"):
        pooled([resolve_device(PLACES[0]), DevicePlace("there", "ssh://pi@gpu", "cuda:0")])
