"""A real search in PostgreSQL as a user starts it, which goes on elsewhere without its results folder."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.postgres_server import ENCODED, PASSWORD, PostgresServer
from tests.test_search_end_to_end import SEARCH


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nas", *arguments]


def ghostnas(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} | variables
    return subprocess.run(command(*arguments), cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def trials(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "trials.csv").open() as file:
        return {row["trial"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.timeout(1800)  # three searches, which take turns with whatever measures and trains beside them
def test_a_search_goes_on_elsewhere(tmp_path: Path, database: str, postgres: PostgresServer) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    search = [*SEARCH, "--finalist-seeds", "1", "--workers", "0", "--storage", database]
    log = here / "log.txt"
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    with log.open("w") as file:
        first = subprocess.Popen(command(*search, "--budget", "1"), cwd=here, env=environment, stdout=file, stderr=file)
        try:
            deadline = time.monotonic() + 600
            while "yolo11n: " not in log.read_text():
                assert time.monotonic() < deadline and first.poll() is None, log.read_text()
                time.sleep(0.2)
            second = ghostnas(there, *search, "--budget", "1")
            assert second.returncode == 2 and "is in use by another ghostnas search" in second.stderr
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()

    done = ghostnas(here, *search, "--budget", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = here / "results" / "e2e"
    assert not (folder / "study.db").exists() and (folder / "best.pt").is_file()
    run, before = json.loads((folder / "run.json").read_text()), trials(folder)
    assert run["trained"] == 1 and run["retrained"] == [] and "ghost:***@127.0.0.1" in run["command"]
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()] + [log.read_bytes()]
    shown = done.stdout + done.stderr + second.stderr
    for secret in (PASSWORD, ENCODED):
        assert secret not in shown and not any(secret.encode() in text for text in texts)

    (tmp_path / "here" / "results").rename(tmp_path / "lost")
    without = database.replace(f":{ENCODED}", "")
    search[-1] = without
    done = ghostnas(there, *search, "--budget", "2", PGPASSWORD=PASSWORD)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = there / "results" / "e2e"
    run, after = json.loads((folder / "run.json").read_text()), trials(folder)
    assert run["trained"] == 2 and run["command"].count("***") == 0
    old = next(label for label, row in before.items() if row["origin"] != "baseline" and row["status"] == "trained")
    assert after[old]["map50_95"] == before[old]["map50_95"] and after[old]["latency_ms"] == before[old]["latency_ms"]
    assert "yolo11n" in before and after["yolo11n"]["map50_95"] == before["yolo11n"]["map50_95"]
    assert (folder / "best.pt").is_file() and (folder / "models" / f"trial-{old}.yaml").is_file()
    assert run["retrained"] and f"trained again: {', '.join(run['retrained'])}" in (folder / "report.md").read_text()

    status = ghostnas(there, "status", "e2e", PGPASSWORD=PASSWORD)
    assert "2 trained" in status.stdout and "not running" in status.stdout and status.returncode == 0
    bundle = ghostnas(there, "export", "e2e", "--to", "bundle")
    assert bundle.returncode == 0, bundle.stderr
