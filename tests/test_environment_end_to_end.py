"""Whole searches through Ray, the last step included, from odd folders and amid the variables of other programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.conftest import MakeSet, make_set  # noqa: F401

ROOT = Path(__file__).parents[1]

SEARCH = [
    "search",
    "--budget",
    "1",
    "--steps",
    "2",
    "--workers",
    "1",
    "--space",
    "ghostv2-n",
    "--imgsz",
    "64",
    "--target-latency",
    "50ms",
]
SEARCH += ["--target-stat", "p50", "--sustained", "0.1s", "--sampler", "random", "--finalist-seeds", "1"]

AROUND = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MPLCONFIGDIR": "/proc/nowhere",
    "YOLO_CONFIG_DIR": "/proc/nowhere",
    "RAY_ADDRESS": "auto",
    "RAY_RUNTIME_ENV_HOOK": "ray._private.runtime_env.uv_runtime_env_hook.hook",
    "RAY_TMPDIR": "/nowhere",
    "RAY_CHDIR_TO_TRIAL_DIR": "1",
    "TUNE_RESULT_DIR": "/proc/nowhere",
    "TMPDIR": "/nowhere",
    "XDG_CACHE_HOME": "rel/ative",
    "OMP_NUM_THREADS": "abc",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONWARNINGS": "error",
    "PYTHONIOENCODING": "ascii:strict",
    "WORLD_SIZE": "2",
    "RANK": "1",
    "SLURM_JOB_ID": "7",
    "http_proxy": "http://127.0.0.1:9",
    "PYTHONPATH": "theirs",
}


@pytest.mark.slow
@pytest.mark.timeout(900)  # a whole search each
@pytest.mark.parametrize(
    ("home", "folder", "data", "results"),
    [
        ("h\u00f6me %41#?{x}", "w\udcff\n\u00f6rk [x]", "d\u00e4 ta%20#?{x}", "r%2F?{x} \u00e9\n\udcff'$"),
        ("\u6587" * 60, "-", "x" * 200, "~"),
    ],
)
def test_a_search_amid_all_of_it(
    home: str,
    folder: str,
    data: str,
    results: str,
    make_set: MakeSet,  # noqa: F811
    tmp_path: Path,
) -> None:
    make_set(pictures=12)
    here = tmp_path / folder
    for place in (tmp_path / home, here / data, here / "theirs" / "nas", here / "theirs" / "thop", here / "ray"):
        place.mkdir(parents=True)
    for part in ("images", "labels", "data.yaml"):
        (tmp_path / part).rename(here / data / part)
    for module in ("theirs/nas", "theirs/thop", "ray"):
        (here / module / "__init__.py").write_text("raise RuntimeError('another module')")
    (here / "matplotlibrc").write_text("text.usetex: True\nbackend: TkAgg\n")
    ours = {name: value for name, value in os.environ.items() if name not in ("GHOSTNAS_CACHE", "PYTEST_CURRENT_TEST")}
    done = subprocess.run(
        [sys.executable, ROOT / "ghostnas.py", *SEARCH, "--data", f"{data}/data.yaml", "--out", results, "--name", "n"],
        cwd=here,
        env={**ours, **AROUND, "HOME": str(tmp_path / home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=600,
    )
    told = (done.stdout + done.stderr).decode("ascii")
    assert done.returncode == 0 and "Next:" in told and "Traceback" not in told, told
    written = {path.name for path in (here / results / "n").iterdir()}
    assert written >= {"front.png", "run.json", "report.md", "best.yaml", "study.db", "front.csv"}
    assert json.loads((here / results / "n" / "run.json").read_text())["trained"] == 1
    assert {path.name for path in here.iterdir()} == {data, results, "theirs", "ray", "matplotlibrc"}
    assert {path.name for path in (tmp_path / home).iterdir()} == {".cache"}
