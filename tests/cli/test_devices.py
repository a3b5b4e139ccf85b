"""`ghostnas devices check` against an agent here, a real server, and a port where nobody listens."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.latency.sshd import serving

ROOT = Path(__file__).parents[2]


def devices(*words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    environment.pop("PYTEST_CURRENT_TEST", None)  # Ultralytics would act on it
    command = [sys.executable, "-m", "nas", "devices", "check", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, check=False)


def profile(folder: Path, text: str) -> str:
    path = folder / "board.yaml"
    path.write_text(f"{text}\nruntimes: [onnxruntime]\n")
    return str(path)


@pytest.mark.slow
def test_what_works_here_is_shown(tmp_path: Path) -> None:
    done = devices(profile(tmp_path, "host: local"), "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["device"] == "board" and found["reachable"] is True and found["error"] is None
    assert found["fingerprint"] and found["facts"]["cpus_allowed"] >= 1
    first = found["runtimes"][0]
    assert (first["runtime"], first["precision"], first["works"]) == ("onnxruntime", "float32", True)
    assert "outputs finite" in first["detail"]


@pytest.mark.slow
def test_a_device_at_the_other_end_of_ssh_is_checked_too(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        text = f"host: {server.url('x').partition('?')[0]}\npython: {sys.executable}\nssh_config: config"
        done = devices(profile(tmp_path, text))
        assert done.returncode == 0, done.stderr
        assert "reachable" in done.stdout and "runtime onnxruntime, float32" in done.stdout
        assert "outputs finite" in done.stdout and "fails" not in done.stdout


@pytest.mark.slow
def test_a_device_that_is_away_ends_with_2_after_the_others_were_shown(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        url = f"ssh://127.0.0.1:{taken.getsockname()[1]}"
        done = devices(profile(tmp_path, "host: local"), url)
    assert done.returncode == 2
    assert "board" in done.stdout and "outputs finite" in done.stdout
    assert f"1 of 2 devices cannot be used:\n  {url}: " in done.stderr and "Connection refused" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["ssh://-evil", "nowhere.yaml"])
def test_a_word_that_names_no_device_ends_with_2(word: str) -> None:
    done = devices(word)
    assert done.returncode == 2 and done.stderr.startswith("ghostnas: ") and not done.stdout
