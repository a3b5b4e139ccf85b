"""The check for a machine with a GPU, as far as one without can tell."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "benchmarks" / "gpu"


def test_the_wheels_that_it_brings_are_pinned_and_without_the_large_ones() -> None:
    names = [line for line in (CHECK / "wheels.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    assert {_plain(name) for name in names} <= {_plain(name) for name in pinned}
    assert not {"ray", "tensorrt", "torch"} & set(names) and len(names) > 10


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.slow
def test_a_dry_run_has_a_log_and_findings_of_every_part(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "PARTS": "0 2"}
    command = ["bash", str(CHECK / "check.sh"), str(tmp_path), "--dry-run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "log.txt").read_text()
    found = [json.loads(row) for row in (tmp_path / "results.jsonl").read_text().splitlines()]
    for part in (0, 2):
        assert f"part {part}: code 0" in log
        assert [row for row in found if row["part"] == part]
