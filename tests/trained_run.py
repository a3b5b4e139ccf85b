"""What a finished search leaves behind: a small design, a few pictures, a results folder, a checkpoint."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture, Stage
from nas.architecture.ultralytics_yaml import to_yaml
from nas.data import load
from nas.data.synthetic.embedded import write_set
from nas.latency import Latency, LatencySettings
from nas.proxy import Score
from nas.results.tables import BASELINE_HEADER, FRONT_HEADER, write_csv
from nas.study.evaluation import Evaluation
from nas.study.limits import Limits, Violation
from nas.study.settings import DataChoice, ProxyChoice, SearchSettings, SpaceChoice
from nas.study.store import StoredStudy

Run = Callable[..., subprocess.CompletedProcess[str]]


def _stage(width: int, **changes: object) -> Stage:
    return Stage("ghost", width, 1, **{"dfc_kernel": 5, "dfc_pool": 2, **changes})  # type: ignore[arg-type]


GHOST = Architecture(
    64,
    "relu",
    16,
    (_stage(16), _stage(24), _stage(32, se=True, downsample="ghost"), _stage(64)),
    32,
    16,
    16,
    4,
)
STOCK = Architecture(64, "silu", 8, tuple(Stage("c3k2", w, 1) for w in (16, 16, 32, 32)), 64, 64, 64, 16)  # type: ignore[arg-type]

SETTINGS = SearchSettings(
    space=SpaceChoice("ghostv2-n", "0", (64,)),
    data=DataChoice("tiny", "0", 6),
    limits=Limits(2.5),
    latency=LatencySettings(),
    proxy=ProxyChoice(train_device="cpu", steps=10, batch=4, seed=0),
    sampler="random",
)


def environment(**more: str) -> dict[str, str]:
    """The environment of a user's process: without what pytest and this process have told Ultralytics."""
    others = ("PYTEST_CURRENT_TEST", "ULTRALYTICS_SAFE_LOAD")
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return {**kept, "OMP_NUM_THREADS": "1", **more}


def evaluation(architecture: Architecture, latency_ms: float, score: float | None) -> Evaluation:
    """An evaluation as a search stores it."""
    violations = (
        () if score is not None else (Violation("latency", f"latency {latency_ms:.3f} ms is above the target 2.5 ms"),)
    )
    return Evaluation(
        architecture=architecture,
        status="rejected" if score is None else "trained",
        violations=violations,
        params=300161,
        gflops=0.9,
        counting_rule="fused model at 64x64",
        onnx_bytes=1_200_000,
        latency=Latency(
            latency_ms=latency_ms,
            low_ms=latency_ms * 0.99,
            high_ms=latency_ms * 1.01,
            seconds=0.1,
            processes=1,
            slices_ms=(latency_ms,),
            samples=(((latency_ms,), (0.35,), (2.0,)),),
            dropped={},
            conditions={"clock": 1.0, "memory": 1.0, "slope": 0.4},
            calibration="of-a-test",
            settings=LatencySettings(),
            imgsz=architecture.imgsz,
            level="screening",
            key={"runtime": "onnxruntime"},
        ),
        score=None if score is None else Score(score, score * 1.5),
        seconds={"build": 0.1},
    )


@pytest.fixture(scope="session")
def data_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_set(folder, {"train": 12, "val": 4}, seed=3)
    return folder / "data.yaml"


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, data_yaml: Path) -> Path:
    """A folder `results` with one run, `small`: trial 0 trained, trial 1 rejected, one stock baseline."""
    from nas.results.trial_notes import annotate

    out = tmp_path_factory.mktemp("home") / "results"
    run = out / "small"
    study = StoredStudy(run, SETTINGS, {"x": 2}, annotate)
    study.finish(study.start({"x": 0}, GHOST.key, "random"), evaluation(GHOST, 2.31, 0.1234))
    study.finish(study.start({"x": 1}, STOCK.key, "random"), evaluation(STOCK, 3.9, None))
    study.finish(study.start_baseline("plain", STOCK.key), evaluation(STOCK, 2.4, 0.1), baseline=True)
    study.close()
    for folder in ("models", "front"):
        (run / folder).mkdir()
        (run / folder / "trial-0.yaml").write_text(to_yaml(GHOST, 6))
        (run / folder / "plain.yaml").write_text(to_yaml(STOCK, 6))
    (run / "best.yaml").write_text(to_yaml(GHOST, 6))
    row: dict[str, object] = dict.fromkeys(FRONT_HEADER[1:], "")
    row |= {"map50_95": 0.1234, "latency_ms": 2.31, "latency_low_ms": 2.28, "latency_high_ms": 2.35}
    row |= {"latency_level": "finalist", "meets_target": "true", "params": 300161, "gflops": 0.9}
    write_csv(run / "front.csv", [{"trial": 0, **row}], FRONT_HEADER)
    write_csv(run / "baselines.csv", [{"baseline": "plain", **row, "latency_ms": 2.4}], BASELINE_HEADER)
    provenance = {
        "best": "trial-0",
        "settings": {**SETTINGS.to_dict(), "data_digest": load(str(data_yaml)).digest},
        "data_yaml": str(data_yaml),
        "machine": {"processor": "Some CPU"},
        "versions": {"onnxruntime": "1.32.0"},
        "counting_rule": "GFLOPs: fused model at 64x64",
    }
    (run / "run.json").write_text(json.dumps(provenance))
    return out


@pytest.fixture(scope="session")
def ghostnas() -> Run:
    """The command, in a process of its own."""

    def run(*words: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "nas", *words],
            cwd=cwd,
            env=environment(PYTHONPATH=str(Path(__file__).parents[1])),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def training(ghostnas: Run, results: Path) -> subprocess.CompletedProcess[str]:
    """One epoch of `ghostnas train` on the run's own data, with Ultralytics' arguments and one of ours."""
    return ghostnas(
        "train",
        "small",
        "epochs=1",
        "batch=4",
        "device=cpu",
        "workers=0",
        "plots=False",
        "box_loss=giou",
        cwd=results.parent,
    )


@pytest.fixture(scope="session")
def trained(training: subprocess.CompletedProcess[str], results: Path) -> Path:
    """The best.pt of that training."""
    assert training.returncode == 0, training.stderr
    return results / "small" / "train" / "trial-0" / "weights" / "best.pt"
