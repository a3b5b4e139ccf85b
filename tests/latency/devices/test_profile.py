"""Which device `--device` names, and what is wrong with a profile."""

from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.latency.devices.profile import DevicePlace, resolve_device, shipped_profiles
from nas.latency.types import DEFAULT_RUNTIME, RUNTIMES

GOOD = "host: ssh://pi@board:2222\n"


def written(folder: Path, text: str) -> str:
    path = folder / "board.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "place", "unit"),
    [
        ("local", "local", "cpu"),
        ("cpu", "local", "cpu"),
        ("cuda:1", "local", "cuda:1"),
        ("ssh://pi@board", "ssh://pi@board", "cpu"),
        ("ssh://pi@board:22/?python=/opt/py/bin/python", "ssh://pi@board:22?python=/opt/py/bin/python", "cpu"),
    ],
)
def test_words_that_need_no_file(text: str, place: str, unit: str) -> None:
    found = resolve_device(text)
    assert (found.place, found.unit) == (place, unit)
    assert found.runtimes[0] == DEFAULT_RUNTIME and set(found.runtimes) == set(RUNTIMES)


def test_a_profile_names_place_and_defaults(tmp_path: Path) -> None:
    text = (
        "name: bench board\nhost: ssh://pi@board:2222\npython: venv/bin/python\nssh_config: keys/config\n"
        "device: cpu\nruntimes: [openvino, onnxruntime]\nthreads: 4\nprecision: bfloat16\n"
    )
    found = resolve_device(written(tmp_path, text))
    config = tmp_path / "keys/config"
    place = f"ssh://pi@board:2222?python=venv/bin/python&ssh_config={config}"
    assert found == DevicePlace("bench board", place, "cpu", ("openvino", "onnxruntime"), "bfloat16", 4)
    settings = found.settings()
    assert (settings.runtime, settings.precision, settings.threads) == ("openvino", "bfloat16", 4)
    assert (settings.place, settings.device) == (place, "cpu")
    asked = found.settings("onnxruntime", "float32", 1, scope="+copies")
    assert (asked.runtime, asked.precision, asked.threads, asked.scope) == ("onnxruntime", "float32", 1, "+copies")
    assert found.settings("auto").runtime == "openvino"
    with pytest.raises(UsageError, match="bench board allows the runtimes openvino, onnxruntime, got torch"):
        found.settings("torch")
    with pytest.raises(UsageError, match="runtime must be one of"):
        found.settings("tensorflow")


def test_a_profile_without_a_name_is_called_like_its_file(tmp_path: Path) -> None:
    assert resolve_device(written(tmp_path, GOOD)) == DevicePlace("board", "ssh://pi@board:2222")
    assert resolve_device(written(tmp_path, "host: local\ndevice: cuda:0\n")).unit == "cuda:0"


def test_every_shipped_profile_can_be_read() -> None:
    assert shipped_profiles()
    for name, path in shipped_profiles().items():
        assert resolve_device(name) == resolve_device(str(path))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD + "thread: 2\n", r"board\.yaml:2: `thread` is not a key of a device profile; did you mean 'threads'\?"),
        (GOOD + "colour: red\n", r"board\.yaml:2: `colour` is not a key of a device profile; the keys are host, name"),
        ("threads: 2\n", r"board\.yaml:1: `host` is missing; give it local, or an address"),
        (GOOD + "threads: 0\n", r"board\.yaml:2: `threads` must be a whole number from 1; got 0"),
        (GOOD + "threads: '2'\n", r"`threads` must be a whole number from 1; got '2'"),
        (GOOD + "threads: true\n", r"`threads` must be a whole number from 1; got True"),
        (GOOD + "runtimes: [onnxrutime]\n", r"`runtimes` must name runtimes .* did you mean 'onnxruntime'\?"),
        (GOOD + "runtimes: []\n", r"`runtimes` must be a list of runtimes"),
        (GOOD + "runtimes: torch\n", r"`runtimes` must be a list of runtimes .*; got 'torch'"),
        (GOOD + "precision: float31\n", r"`precision` must be one of .* did you mean 'float32'\?"),
        (GOOD + "device: gpu\n", r"`device` must be cpu or cuda:N, such as cuda:0; got 'gpu'"),
        (GOOD + "python: python3; reboot\n", r"board\.yaml:2: `python` must be a program's name or path on the device"),
        ("host: board\n", r"board\.yaml:1: `host` must be local, or an address such as ssh://"),
        ("host: ssh://-oProxyCommand=evil\n", r"`host` must be local, or an address"),
        ("host: ssh://pi@board?python=python3\n", r"`host` takes no \?python="),
        ("host: local\npython: python3\n", r"board\.yaml:2: `python` is for devices reached through ssh"),
        ("host: local\nssh_config: a\n", r"board\.yaml:2: `ssh_config` is for devices reached through ssh"),
        (GOOD + "host: local\n", r"board\.yaml:2: `host` stands twice, in lines 1 and 2"),
        ("- host\n", r"board\.yaml:1: a device profile holds keys"),
        ("host: [\n", r"board\.yaml:2: the file is not YAML"),
        ("", r"board\.yaml:1: the file is empty"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        resolve_device(written(tmp_path, text))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        resolve_device(written(tmp_path, GOOD + "thread: 2\ndevice: gpu\n"))
    assert [line.split(": ")[0].rpartition(":")[2] for line in str(raised.value).splitlines()] == ["2", "3"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("exampel", "did you mean 'example'"),
        ("nowhere.yaml", "'nowhere.yaml' is no device: give local, cuda:N, ssh://user@host, the path of a profile"),
        ("cuda", "named cuda:N, such as cuda:0; got 'cuda'"),
        ("cuda:x", "named cuda:N, such as cuda:0; got 'cuda:x'"),
        ("ssh://board;reboot", "host of an ssh address must be"),
        ("x" * 5000, "is no device"),
        ("a\0b", "is no device"),
        ("", "is no device"),
    ],
)
def test_what_names_no_device_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        resolve_device(text)
