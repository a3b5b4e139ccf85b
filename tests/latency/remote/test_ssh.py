"""Agents at the other end of a real ssh connection, to a server that the test starts; and addresses."""

import hashlib
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nas.errors import DeviceLost, LatencyError, UsageError
from nas.latency import BOARDS, SPREAD, LatencySettings, open_device, prepare_reference
from nas.latency.agent.package import agent_package
from nas.latency.artifacts.model_bytes import SizedModel
from nas.latency.measurement_retry import retry_while_disturbed
from nas.latency.protocol.reference_nets import COMPUTE
from nas.latency.remote.connection import connect
from nas.latency.remote.ssh import Address, parse_address, ssh_command
from tests.latency.sshd import Server, end, freeze, serving

MODEL = b"some bytes that stand for a model" * 5000
DIGEST = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sshd")) as started:
        yield started


@pytest.fixture(autouse=True)
def cache(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of each test's own, so that none finds the connection of another."""
    # Short, because pytest's own folders are too long for the socket of a shared connection.
    with tempfile.TemporaryDirectory(prefix="g-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("GHOSTNAS_CACHE", folder)
        yield Path(folder)
        server.drop_connections()  # ends the ssh that would keep a connection open for the next


def test_a_device_says_who_it_is_and_keeps_what_it_is_sent(server: Server) -> None:
    with connect(server.url(sys.executable)) as link:
        found = link.ask({"do": "hello"}, timeout_s=60)
        assert found["fingerprint"] and "onnxruntime" in found["runtimes"] and found["facts"]["cpus_allowed"] >= 1
        link.send_model(MODEL, DIGEST)
        assert link.ask({"do": "have", "digest": DIGEST}, timeout_s=60) == {"have": True}
        damaged = {"do": "put", "digest": DIGEST, "data": "AAAA"}
        with pytest.raises(LatencyError, match="arrived damaged"):
            link.ask(damaged, timeout_s=60)
    package = server.device_cache / f"{agent_package().digest}.zip"
    assert package.read_bytes() == agent_package().data
    assert (server.device_cache / "models" / DIGEST).read_bytes() == MODEL

    before = package.stat().st_mtime_ns
    with connect(server.url(sys.executable)) as link:  # what is there is not sent again
        assert link.ask({"do": "have", "digest": DIGEST}, timeout_s=60) == {"have": True}
    assert package.stat().st_mtime_ns == before


def test_a_damaged_package_on_the_device_is_replaced(server: Server) -> None:
    with connect(server.url(sys.executable)):
        package = server.device_cache / f"{agent_package().digest}.zip"
    package.write_bytes(b"half of it")
    with connect(server.url(sys.executable)) as link:
        assert link.ask({"do": "hello"}, timeout_s=60)["pid"]
    assert package.read_bytes() == agent_package().data


@pytest.mark.parametrize("config", ["config-stranger", "config-changed"])
def test_a_host_key_that_is_not_the_known_one_is_refused(server: Server, config: str) -> None:
    with pytest.raises(LatencyError, match="host key is not known here, or is another than before") as raised:
        connect(server.url(sys.executable, config))
    assert not isinstance(raised.value, DeviceLost)  # waiting would not mend it


def test_a_user_without_a_key_is_told_what_to_do(server: Server) -> None:
    with pytest.raises(LatencyError, match="set up a key") as raised:
        connect(server.url(sys.executable, "config-locked-out"))
    assert not isinstance(raised.value, DeviceLost)


def test_an_old_python_is_said_clearly(server: Server, tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text(f"#!{sys.executable}\nimport sys\nsys.version_info = (3, 8, 10, 'final', 0)\nexec(sys.argv[2])\n")
    old.chmod(0o755)
    with pytest.raises(
        LatencyError, match=r"is 3\.8; ghostnas needs 3\.11 or newer there; name another with \?python="
    ):
        connect(server.url(str(old)))


def test_a_missing_python_is_said_clearly(server: Server) -> None:
    with pytest.raises(LatencyError, match="has no program '/nowhere/python3' that runs there") as raised:
        connect(server.url("/nowhere/python3"))
    assert not isinstance(raised.value, DeviceLost)


def test_a_connection_that_breaks_is_a_lost_device_and_can_be_made_again(server: Server) -> None:
    link = connect(server.url(sys.executable))
    pid = link.ask({"do": "hello"}, timeout_s=60)["pid"]
    freeze(pid)  # the agent is now busy with the next request for ever
    try:
        with pytest.raises(DeviceLost, match=r"gave no answer within 0\.2 s"):
            link.ask({"do": "hello"}, timeout_s=0.2)
        assert not link.alive
    finally:
        end(pid)

    link = connect(server.url(sys.executable))
    pid = link.ask({"do": "hello"}, timeout_s=60)["pid"]
    freeze(pid)
    try:
        link.pipes.send(memoryview(b'{"do": "hello"}\n'))
        server.drop_connections()
        with pytest.raises(DeviceLost, match=r"127\.0\.0\.1.* ended with code 255"):
            link.ask({"do": "hello"}, timeout_s=60)
        assert not link.alive
        with pytest.raises(DeviceLost, match="has ended"):
            link.ask({"do": "hello"}, timeout_s=60)
    finally:
        end(pid)

    with connect(server.url(sys.executable)) as again:
        assert again.ask({"do": "hello"}, timeout_s=60)["pid"] != pid


def test_patience_reaches_a_device_that_comes_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    urls: list[str] = []
    notices: list[str] = []
    with serving(first) as server:
        urls.append(server.url(sys.executable))
    with serving(second) as back:

        def measure() -> int:
            with connect(urls[-1]) as link:
                return int(link.ask({"do": "hello"}, timeout_s=60)["pid"])

        def wait(seconds: float) -> None:
            urls.append(back.url(sys.executable))  # it was started again meanwhile

        assert retry_while_disturbed(measure, wait, notice=notices.append) > 0
    assert len(notices) == 1 and "Connection refused (asked again in 5 s)" in notices[0]


def test_a_shell_that_chats_is_no_trouble(server: Server, tmp_path: Path) -> None:
    chatty = tmp_path / "python3"
    chatty.write_text(f'#!/bin/sh\necho "Welcome!"\necho "{{}}"\nexec {sys.executable} "$@"\n')
    chatty.chmod(0o755)
    with connect(server.url(str(chatty))) as link:
        assert link.ask({"do": "hello"}, timeout_s=60)["pid"]


def test_one_connection_is_shared_and_its_socket_is_private(server: Server, cache: Path) -> None:
    with connect(server.url(sys.executable)), connect(server.url(sys.executable)) as link:
        assert link.ask({"do": "hello"}, timeout_s=60)["pid"]
        (shared,) = (cache / "ssh").iterdir()
        assert stat.S_ISSOCK(shared.stat().st_mode)
        assert stat.S_IMODE((cache / "ssh").stat().st_mode) == 0o700
        assert len(psutil.Process(server.process.pid).children()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ssh://pi@192.168.1.7",
        "ssh://pi@board.local:2222",
        "ssh://board",
        "ssh://pi@[fe80::1%25eth0]:22".replace("%25", "%"),
        "ssh://pi@board?python=/home/pi/venv/bin/python",
        "ssh://pi@board:22?python=venv/bin/python3.11&ssh_config=/etc/my%20config",
    ],
)
def test_an_address_says_the_same_when_written_again(url: str) -> None:
    assert parse_address(url).url == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ssh://-oProxyCommand=evil", "host of an ssh address must be"),
        ("ssh://pi@-oProxyCommand=evil", "host of an ssh address must be"),
        ("ssh://", "host of an ssh address must be"),
        ("ssh://-l@board", "user of an ssh address must be"),
        ("ssh://pi:secret@board", "user of an ssh address must be|looks like"),
        ("ssh://pi;reboot@board", "user of an ssh address must be"),
        ("ssh://board;reboot", "host of an ssh address must be"),
        ("ssh://$(reboot)", "host of an ssh address must be"),
        ("ssh://board:0", "port of an ssh address must be 1 to 65535"),
        ("ssh://board:70000", "port of an ssh address must be 1 to 65535"),
        ("ssh://board:ssh", "port of an ssh address must be 1 to 65535"),
        ("ssh://board/home", "looks like"),
        ("ssh://board#x", "looks like"),
        ("ssh://board?python=python3;reboot", "python of an ssh address must be"),
        ("ssh://board?python=-c", "python of an ssh address must be"),
        ("ssh://board?python=/usr/bin/python3%20-c", "python of an ssh address must be"),
        ("ssh://board?python=a'b", "python of an ssh address must be"),
        ("ssh://board?python=", "python of an ssh address must be"),
        ("ssh://board?shell=sh", "takes \\?python= and \\?ssh_config=, got 'shell'"),
        ("ssh://board?ssh_config=config", "absolute path"),
        ("http://board", "looks like"),
        ("ssh://board\n", "host of an ssh address must be"),
    ],
)
def test_what_is_no_address_is_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_address(url)


def test_the_command_is_strict_and_ends_with_a_constant() -> None:
    address = Address("board", "pi", 2222, "/opt/python")
    command = ssh_command(address)
    assert command[:4] == ["ssh", "-T", "-x", "-a"] and "-F" not in command
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes"} <= set(command)
    assert command[-3:-1] == ["--", "board"] and command[command.index("-l") + 1] == "pi"
    words = shlex.split(command[-1])
    assert words[:3] == ["exec", "/opt/python", "-c"] and len(words) == 4
    assert words[3] == shlex.split(ssh_command(Address("other", python="x"))[-1])[3]


@pytest.mark.slow
def test_a_cache_folder_too_long_for_a_socket_shares_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", "/" + "x" * 100)
    assert not any("ControlMaster" in word for word in ssh_command(Address("board")))


@pytest.mark.slow
def test_two_boards_are_measured_as_one_pool(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("other")) as other:  # this machine, as if it were two
        places = (server.url(sys.executable), other.url(sys.executable))
        settings = LatencySettings(statistic="p50", sustained_s=0.1, place=" ".join(places))
        boards = open_device(settings)
        model = SizedModel(prepare_reference(COMPUTE, settings), COMPUTE.imgsz)
        boards.run_once(model)
        assert boards.kind()["runtime"] == "onnxruntime"
        assert boards.screen(model, None).settings.place in places
        (found,) = boards.compare([model]).latencies
        assert found.conditions[BOARDS] == 2 and found.conditions[SPREAD] >= 1
        boards.close()  # type: ignore[attr-defined]
        other.drop_connections()
