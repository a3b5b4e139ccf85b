"""One study, one kind of device and one version of its runtime."""

from pathlib import Path
from typing import Any

import pytest

from nas.errors import DeviceLost, StudyError
from nas.latency import LatencyDevice, LatencySettings
from nas.proxy import ProxySettings
from nas.search import preflight
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from nas.util.provenance import host_machine, versions

KIND = {"device": "AMD EPYC, 2 cores, Linux x86_64", "runtime": "onnxruntime", "runtime_version": "1"}


@pytest.fixture
def study(tmp_path: Path, settings: SearchSettings, sizes: dict[str, int]) -> StoredStudy:
    return StoredStudy(tmp_path, settings, sizes)


def device(monkeypatch: pytest.MonkeyPatch, **changed: str) -> None:
    monkeypatch.setattr(LatencyDevice, "kind", lambda device: {**KIND, **changed})
    monkeypatch.setattr(preflight, "find_precision", lambda *_: changed.get("arithmetic", "float32"))


def begun(study: StoredStudy, complete: bool = False) -> dict[str, Any]:
    return preflight.where_begun(
        study, LatencyDevice(LatencySettings()), ProxySettings(device="cpu"), complete=complete
    )


def test_where_a_search_began_is_kept(study: StoredStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    device(monkeypatch)
    first = begun(study)
    assert first["device"] == "AMD EPYC, 2 cores, Linux x86_64" and first["runtime"] == "onnxruntime 1"
    assert first["arithmetic"] == "float32"
    assert first["machine"] == host_machine() and first["versions"] == versions()
    assert begun(study) == first == study.attribute("begun")
    study.close()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"device": "Cortex-A76, 4 cores, Linux aarch64"}, r"another device \(AMD EPYC.*Cortex-A76"),
        ({"arithmetic": "bfloat8"}, r"another arithmetic \(.*bfloat8"),
        ({"runtime_version": "2"}, r"another runtime \(onnxruntime 1\).*onnxruntime 2"),
    ],
)
def test_latencies_of_two_devices_do_not_mix(
    study: StoredStudy, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], says: str
) -> None:
    device(monkeypatch)
    begun(study)
    device(monkeypatch, **changed)
    with pytest.raises(StudyError, match=says):
        begun(study)
    study.close()


def test_a_complete_search_needs_no_device(study: StoredStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    device(monkeypatch)
    first = begun(study)

    def away(device: LatencyDevice) -> None:
        raise DeviceLost("pi@board is away")

    monkeypatch.setattr(LatencyDevice, "kind", away)
    assert begun(study, complete=True) == first
    with pytest.raises(DeviceLost):
        begun(study)
    study.close()
