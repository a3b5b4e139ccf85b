"""The agent's loop, its store of models, what it says of the machine, and the link to one here."""

import ast
import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import nas
from nas import errors
from nas.errors import Busy, DeviceLost, LatencyError, ModelError, StorageError, Unmeasurable, UsageError
from nas.latency.agent import health
from nas.latency.agent.package import agent_package, modules
from nas.latency.agent.server import HANDLERS, serve
from nas.latency.agent.store import Store
from nas.latency.measurement_retry import LONGEST_S, retry_while_disturbed
from nas.latency.remote.connection import AgentConnection, connect
from nas.latency.remote.process import AgentProcess
from tests.latency.sshd import end, freeze

MODEL = b"weights" * 100_000
DIGEST = hashlib.sha256(MODEL).hexdigest()
ROOT = Path(nas.__file__).parents[1]


def asked(store: Store, *requests: object, **handlers: Any) -> list[dict[str, Any]]:
    """The agent's replies to some requests, in this process."""
    lines = b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in requests)
    replies = io.BytesIO()
    serve(io.BytesIO(lines), replies, store, {**HANDLERS, **handlers})
    return [json.loads(line) for line in replies.getvalue().splitlines()]


def test_a_measurement_is_handed_on_with_the_models(tmp_path: Path) -> None:
    def measure(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
        return {"bytes": len(store.read(request["model"]))}

    put = {"do": "put", "digest": DIGEST, "data": base64.b64encode(MODEL).decode()}
    replies = asked(Store(tmp_path), put, {"do": "measure", "model": DIGEST}, measure=measure)
    assert replies == [{"ok": {}}, {"ok": {"bytes": len(MODEL)}}]


def test_an_error_keeps_its_class_and_the_agent_goes_on(tmp_path: Path) -> None:
    class Odd(Unmeasurable):
        """A class that the other side does not know."""

    def raising(error: Exception) -> Any:
        def handler(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
            raise error

        return handler

    replies = asked(
        Store(tmp_path),
        {"do": "one"},
        {"do": "two"},
        {"do": "three"},
        {"do": "four"},
        {"do": "dance"},
        b"not json\n",
        b"[1]\n",
        {"do": "have", "digest": DIGEST},
        one=raising(ModelError("cut file")),
        two=raising(Odd("noise")),
        three=raising(ZeroDivisionError("oops")),
        four=lambda request, store: {"ms": float("nan")},
    )
    assert replies[0] == {"error": "cut file", "kind": "ModelError"}
    assert replies[1] == {"error": "noise", "kind": "Unmeasurable"}
    assert replies[2] == {"error": "ZeroDivisionError: oops", "kind": "LatencyError"}
    assert replies[3]["kind"] == "LatencyError" and "not JSON compliant" in replies[3]["error"]
    assert [reply["kind"] for reply in replies[4:7]] == ["UsageError"] * 3 and "'dance'" in replies[4]["error"]
    assert replies[7] == {"ok": {"have": False}}


def test_bye_ends_it(tmp_path: Path) -> None:
    assert asked(Store(tmp_path), {"do": "bye"}, {"do": "have", "digest": DIGEST}) == [{"ok": {}}]


def test_a_link_raises_what_the_agent_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path))
    with connect("local") as link:
        found = link.ask({"do": "hello"}, timeout_s=60)
        assert found["pid"] != os.getpid() and found["version"] == nas.__version__
        assert found["runtimes"]["onnxruntime"]["installed"] is True
        link.send_model(MODEL, DIGEST)
        assert link.ask({"do": "have", "digest": DIGEST}, timeout_s=60) == {"have": True}
        with pytest.raises(UsageError, match="'dance'"):
            link.ask({"do": "dance"}, timeout_s=60)
        with pytest.raises(LatencyError, match="must be sent as base64"):
            link.ask({"do": "put", "digest": DIGEST, "data": "?"}, timeout_s=60)
        with pytest.raises(LatencyError, match="arrived damaged"):
            link.send_model(MODEL, "0" * 64)
        assert link.alive
    assert not link.alive
    with connect("local") as other:  # what was sent is kept for the next agent, here too
        assert other.ask({"do": "have", "digest": DIGEST}, timeout_s=60) == {"have": True}
    assert [one.name for one in (tmp_path / "models").iterdir()] == [DIGEST]


def test_an_agent_that_dies_may_be_its_models_fault_and_one_that_hangs_is_lost() -> None:
    with connect("local") as link:
        end(link.ask({"do": "hello"}, timeout_s=60)["pid"])
        with pytest.raises(Unmeasurable, match="the measuring process ended with signal 9"):
            link.ask({"do": "hello"}, timeout_s=60)
    with connect("local") as link:
        freeze(link.ask({"do": "hello"}, timeout_s=60)["pid"])
        with pytest.raises(DeviceLost, match=r"gave no answer within 0\.3 s"):
            link.ask({"do": "put", "digest": DIGEST, "data": "A" * 10_000_000}, timeout_s=0.3)
        assert not link.alive


def test_a_program_that_is_no_agent_is_said_to_be_none() -> None:
    link = AgentConnection("it", AgentProcess(["sh", "-c", "echo hello; cat"], os.environ))
    with pytest.raises(LatencyError, match="does not speak as an agent does; it said b'hello'"):
        link.ask({"do": "hello"}, timeout_s=60)
    assert not link.alive
    link = AgentConnection("it", AgentProcess(["sh", "-c", "echo out of memory >&2; exit 3"], os.environ))
    with pytest.raises(Unmeasurable, match="it ended with code 3: out of memory"):
        link.ask({"do": "hello"}, timeout_s=60)


def test_libraries_that_chat_on_standard_output_do_not_disturb() -> None:
    code = (
        "import os\n"
        "from nas.latency.agent import server as agent\n"
        "def chat(request, store):\n"
        "    print('loading'); os.write(1, b'done\\n'); return {'heard': True}\n"
        "agent.serve.__defaults__ = ({**agent.HANDLERS, 'chat': chat},)\n"
        "agent.main()\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=b'{"do": "chat"}\n', capture_output=True, timeout=60, cwd=ROOT, check=True)
    assert done.stdout == b'{"ok": {"heard": true}}\n'
    assert b"done" in done.stderr


def test_the_agent_starts_with_the_standard_library_alone(tmp_path: Path) -> None:
    package = tmp_path / "agent.zip"
    package.write_bytes(agent_package().data)
    # -S leaves out site-packages, so nothing that is installed can be imported.
    code = f"import sys; sys.path.insert(0, {str(package)!r}); from nas.latency.agent.server import main; main()"
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code],
        input=b'{"do": "hello"}\n',
        capture_output=True,
        timeout=60,
        env={"GHOSTNAS_CACHE": str(tmp_path), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)["ok"]
    assert found["runtimes"]["onnxruntime"] == {
        "installed": False,
        "text": "runtime onnxruntime is not installed; pip install onnxruntime",
    }


def test_the_package_holds_every_module_that_its_modules_import() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in modules()}
    assert {
        "nas/__init__.py",
        "nas/latency/agent/server.py",
        "nas/latency/agent/handlers.py",
        "nas/util/machine_lock.py",
        "nas/model/builder.py",  # imported by the name of its package
    } <= names
    rooms = {name.split("/")[1] for name in names}
    assert rooms == {"__init__.py", "errors.py", "util", "blocks", "model", "latency"}
    assert "nas/latency/remote/connection.py" not in names
    for name in names:
        for node in ast.walk(ast.parse(_without_type_checking((ROOT / name).read_text()))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nas."):
                stem = str(node.module).replace(".", "/")
                assert {f"{stem}.py", f"{stem}/__init__.py"} & names, f"{name} imports {node.module}"
    assert len(agent_package().data) < 1.05 * 276_027  # what it was before the modules had rooms


def _without_type_checking(text: str) -> str:
    return re.sub(r"^if TYPE_CHECKING:.*\n(?:[ \t]+.*\n|\n(?=[ \t]))*", "", text, flags=re.M)


@pytest.mark.slow
def test_the_package_alone_runs_every_block(tmp_path: Path) -> None:
    import torch
    from torch import nn

    from nas.blocks import REGISTERED
    from nas.blocks.bottleneck import GhostBottleneckV2

    assert {f"{name.replace('.', '/')}.py" for name in REGISTERED.values()} <= {
        path.relative_to(ROOT).as_posix() for path in modules()
    }
    package, checkpoint = tmp_path / "agent.zip", tmp_path / "block.pt"
    package.write_bytes(agent_package().data)
    torch.save({"model": nn.Sequential(nn.Conv2d(3, 16, 1), GhostBottleneckV2(16, 16, 32)).eval()}, checkpoint)
    # With the zip in front, no module of ghostnas comes from where it is installed; from_pt registers all blocks.
    code = (
        f"import sys; sys.path.insert(0, {str(package)!r})\n"
        "import torch, nas\n"
        "from nas.latency.artifacts.torch_file import from_pt\n"
        f"module = from_pt(open({str(checkpoint)!r}, 'rb').read())\n"
        "print(nas.__file__, tuple(module(torch.rand(1, 3, 32, 32)).shape))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, timeout=120, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{package}/nas/__init__.py (1, 16, 32, 32)"


def test_the_package_has_the_same_bytes_every_time() -> None:
    agent_package.cache_clear()
    first = agent_package()
    agent_package.cache_clear()
    assert agent_package() == first and hashlib.sha256(first.data).hexdigest() == first.digest
    with zipfile.ZipFile(io.BytesIO(first.data)) as archive:
        assert archive.namelist() == sorted(archive.namelist())


def test_the_error_tree_names_what_a_link_can_raise() -> None:
    assert issubclass(DeviceLost, LatencyError) and "DeviceLost" in str(errors.__doc__)


def test_the_store_keeps_what_is_what_it_says(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    assert not store.has(DIGEST)
    with pytest.raises(LatencyError, match="arrived damaged"):
        store.put(DIGEST, MODEL[:-1])
    store.put(DIGEST, MODEL)
    assert store.has(DIGEST) and store.read(DIGEST) == MODEL
    (tmp_path / "models" / DIGEST).write_bytes(b"a bad block")
    with pytest.raises(LatencyError, match="damaged on the device"):
        store.read(DIGEST)
    assert not store.has(DIGEST)
    with pytest.raises(LatencyError, match="send it first"):
        store.read(DIGEST)
    for name in ("../secret", DIGEST.upper(), DIGEST[:-1], ""):
        with pytest.raises(LatencyError, match="64 hexadecimal digits"):
            store.read(name)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(StorageError, match="cannot keep a model of 700000 bytes"):
        Store(blocked / "models").put(DIGEST, MODEL)


def test_old_models_are_pruned_and_those_in_use_are_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ages_h = {"new": 0.5, "yesterday": 24, "older": 48, "ancient": 24 * 30}
    now = 1_000_000_000.0
    for name, age_h in ages_h.items():
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (now - age_h * 3600,) * 2)
    store.prune(now, most_bytes=200)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "yesterday"]
    store.prune(now, most_bytes=10)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


# --- before a measurement


CALM: dict[str, Any] = {
    "cpus": 4,
    "cpus_allowed": 4,
    "load_1m": 0.1,
    "memory_free_bytes": 4 * 2**30,
    "governors": {"performance": 4},
    "zones": [{"name": "cpu-thermal", "celsius": 50.0, "passive_trip": 80.0}],
    "throttle_events": 0,
    "pi_throttled": 0,
}


def test_a_calm_device_raises_no_objection() -> None:
    assert health.health_issues(CALM, model_bytes=50_000_000) == ()
    silent = {**CALM, "memory_free_bytes": None, "governors": {}, "zones": [], "pi_throttled": None}
    assert health.health_issues(silent) == ()


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        ({"governors": {"powersave": 3, "performance": 1}}, "warning", "3 of 4 processors run under the governor pow"),
        ({"zones": [{"name": "cpu", "celsius": 81.0, "passive_trip": 80.0}]}, "refusal", "too hot: cpu is at 81 °C"),
        ({"zones": [{"name": "cpu", "celsius": 80.0, "passive_trip": 80.0}]}, "refusal", "too hot: cpu is at 80 °C"),
        ({"zones": [{"name": "cpu", "celsius": 77.0, "passive_trip": 80.0}]}, "warning", "just below 80 °C"),
        ({"memory_free_bytes": 300 * 2**20}, "refusal", "300 MiB of memory are free and about 447 MiB are needed"),
        ({"load_1m": 3.5}, "warning", "a load of 3.5 on 4 processors"),
        ({"pi_throttled": 0x50005}, "refusal", "supply voltage is too low (get_throttled=0x50005)"),
        ({"pi_throttled": 0x50000}, "warning", "was throttled since it was started"),
    ],
)
def test_each_fact_is_judged(change: dict[str, Any], level: str, text: str) -> None:
    first = health.health_issues({**CALM, **change}, model_bytes=50_000_000)[0]
    assert first.level == level and text in first.text


def test_a_refusal_keeps_a_measurement_from_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hot = {**CALM, "zones": [{"name": "cpu", "celsius": 90.0, "passive_trip": 80.0}]}
    monkeypatch.setattr(health, "facts", lambda: hot)
    for request in ({"do": "measure", "models": []}, {"do": "calibrate"}):
        (reply,) = asked(Store(tmp_path), request)
        assert reply["kind"] == "Unmeasurable" and "too hot: cpu is at 90 °C" in reply["error"]


def test_a_zone_without_a_trip_is_no_objection() -> None:
    assert health.health_issues({**CALM, "zones": [{"name": "wifi", "celsius": 99.0, "passive_trip": None}]}) == ()


def test_facts_are_read_from_the_system(tmp_path: Path) -> None:
    files = {
        "devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
        "devices/system/cpu/cpu1/cpufreq/scaling_governor": "schedutil\n",
        "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "7\n",
        "devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "2\n",
        "class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "class/thermal/thermal_zone0/temp": "61500\n",
        "class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
        "class/thermal/thermal_zone0/trip_point_0_temp": "110000\n",
        "class/thermal/thermal_zone0/trip_point_1_type": "passive\n",
        "class/thermal/thermal_zone0/trip_point_1_temp": "85000\n",
        "class/thermal/thermal_zone1/type": "broken\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = health.facts(tmp_path)
    assert found["governors"] == {"schedutil": 2} and found["throttle_events"] == 9
    assert found["zones"] == [{"name": "cpu-thermal", "celsius": 61.5, "passive_trip": 85.0}]
    empty = health.facts(tmp_path / "nothing")
    assert empty["governors"] == {} and empty["zones"] == [] and empty["throttle_events"] is None
    health.health_issues(empty)
    json.dumps(empty)


# --- patience with a lost device


class Days:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now, self.slept, self.notices = 0.0, list[float](), list[str]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retry_while_disturbed(self, measure: Any) -> Any:
        return retry_while_disturbed(measure, self.sleep, clock=lambda: self.now, notice=self.notices.append)


def test_a_lost_device_is_waited_for_up_to_half_an_hour() -> None:
    days = Days()

    def lost() -> int:
        raise DeviceLost("board was lost")

    with pytest.raises(DeviceLost, match="board was lost; it has been tried again for 28 minutes"):
        days.retry_while_disturbed(lost)
    assert days.slept == [5, 15, 60, 120, 300, 300, 300, 300, 300]
    assert sum(days.slept) <= LONGEST_S < sum(days.slept) + 300
    assert days.notices[0] == "board was lost (asked again in 5 s)" and len(days.notices) == len(days.slept)


def _in_turn(*answers: Exception | int) -> Callable[[], int]:
    """A measurement that answers with one after the other."""
    left = iter(answers)

    def measure() -> int:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return measure


def test_a_device_that_others_hold_is_waited_for() -> None:
    days = Days()
    assert days.retry_while_disturbed(_in_turn(*[Busy("a measurement has not ended")] * 30, 7)) == 7
    assert days.notices == ["a measurement has not ended (still waiting)"] * 30


def test_a_device_that_came_back_starts_anew() -> None:
    days = Days()
    lost, noise = DeviceLost("away"), Unmeasurable("noise")
    assert days.retry_while_disturbed(_in_turn(lost, lost, noise, lost, noise, 7)) == 7
    assert days.slept == [5, 15, 2, 5, 10]
