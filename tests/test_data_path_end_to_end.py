"""Relative paths, as a user types them and in the data YAML, reach Ray's workers."""

import json
from pathlib import Path

import pytest

from tests.test_search_end_to_end import ghostnas


@pytest.mark.slow
def test_a_relative_data_path_reaches_the_workers(bccd: Path, tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "datasets").symlink_to(bccd.parent)
    text = bccd.read_text()
    assert "path:" not in text
    (tmp_path / "cells" / "data.yaml").write_text(f"path: datasets\n{text}")
    options = [
        "--space",
        "ghostv2-n",
        "--imgsz",
        "64",
        "--steps",
        "2",
        "--target-latency",
        "50ms",
        "--sampler",
        "random",
        "--budget",
        "1",
    ]
    done = ghostnas(tmp_path, "search", "--data", "cells/data.yaml", "--name", "cells", "--workers", "1", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads((tmp_path / "results" / "cells" / "run.json").read_text())
    assert run["trained"] == 1 and run["data_yaml"] == "cells/data.yaml"
