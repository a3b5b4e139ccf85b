"""A search without training: the evaluator is a formula, so a whole search runs in a second."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.architecture.architecture import Architecture
from nas.latency import Latency, LatencyDevice, LatencySettings
from nas.latency.protocol.estimate import Calibration
from nas.proxy import ProxySettings, Score
from nas.search.evaluate import Task
from nas.search.executors import inline
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace, load_space
from nas.study.evaluation import Evaluation
from nas.study.limits import Limits
from nas.study.settings import DataChoice, ProxyChoice, SearchSettings, SpaceChoice
from nas.study.store import StoredStudy


def work(architecture: Architecture) -> float:
    """A stand-in for the work of a design: pixels times squared widths."""
    channels = sum(stage.width**2 * stage.depth for stage in architecture.stages)
    return architecture.imgsz**2 * (channels + 2 * architecture.neck_width**2) / 1e9


CALIBRATION = Calibration(compute_ms=0.35, memory_ms=2.0, memory_bytes=12_000_000, made_at=0.0, identity="formula")


def formula_latency(architecture: Architecture, task: Task) -> Latency:
    """A latency that grows with the work, with an interval of half a percent around it."""
    latency_ms = 0.5 + work(architecture)
    return Latency(
        latency_ms=latency_ms,
        low_ms=latency_ms * 0.995,
        high_ms=latency_ms * 1.005,
        seconds=0.1,
        processes=1,
        slices_ms=(round(latency_ms, 5),),  # stored with so many digits
        samples=(((round(latency_ms, 4),), (0.35,), (2.0,)),),
        dropped={},
        conditions={"clock": 1.0, "memory": 1.0, "slope": 0.4},
        calibration=CALIBRATION.identity,
        settings=task.latency,
        imgsz=architecture.imgsz,
        level="screening",
        key={"runtime": "formula"},
    )


def formula(architecture: Architecture, task: Task, label: str = "", always_train: bool = False) -> Evaluation:
    """An evaluation by formula: latency grows with the work, accuracy with its root and the number of bins."""
    latency = formula_latency(architecture, task)
    violations = task.limits.check(latency, 1000, 0.1, 4000)
    trained = always_train or not violations
    accuracy = work(architecture) ** 0.5 / 4 + 0.01 * architecture.reg_max**0.5
    return Evaluation(
        architecture=architecture,
        status="trained" if trained else "rejected",
        violations=violations,
        params=1000,
        gflops=0.1,
        counting_rule="formula",
        onnx_bytes=4000,
        latency=latency,
        score=Score(accuracy, accuracy * 1.5) if trained else None,
        seconds={"build": 0.1, "latency": 0.1, **({"proxy": 0.2} if trained else {})},
    )


@pytest.fixture
def space() -> SearchSpace:
    return load_space("ghostv2-n")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(Limits(2.5), LatencyDevice(LatencySettings(), CALIBRATION), ProxySettings(), None, 1.0, 6, tmp_path)


@pytest.fixture
def settings() -> SearchSettings:
    return SearchSettings(
        space=SpaceChoice("ghostv2-n", "0", (96, 128)),
        data=DataChoice("embedded", "0", 6),
        limits=Limits(2.5),
        latency=LatencySettings(),
        proxy=ProxyChoice(train_device="cpu", steps=10, batch=4, seed=0),
        sampler="gp",
    )


def changed(settings: SearchSettings, **values: object) -> SearchSettings:
    """Settings with some of their values changed, by the names under which they are stored."""
    return SearchSettings.from_dict({**settings.to_dict(), **values})


@pytest.fixture
def sizes(space: SearchSpace) -> dict[str, int]:
    return {dimension.name: len(dimension.choices) for dimension in space.dimensions}


@pytest.fixture
def by_formula() -> Callable[..., Evaluation]:
    return formula


BUDGET = 5
BASELINES = {
    "source-96": yolo11("n", 96),
    "source-64": yolo11("n", 64),
    "source-256": yolo11("n", 256),  # misses the target
    "narrowed-96-0.25": yolo11("n", 96, 0.25),
    "narrowed-128-0.375": yolo11("n", 128, 0.375),
}

Open = Callable[[str], StoredStudy]


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trials of a search with such baselines lie, once they were carried out."""
    return tmp_path_factory.mktemp("searched") / "study"


@pytest.fixture
def opened(
    tmp_path: Path, space: SearchSpace, task: Task, settings: SearchSettings, sizes: dict[str, int], searched: Path
) -> Open:
    """Opens a study in a folder of a name; a new one is a copy of a search whose trials have ended."""
    if not searched.is_dir():
        made = StoredStudy(searched, settings, sizes)
        scheduler = TrialScheduler(
            made,
            Proposer(space, sampler="random", seed=0, limits=made.limits),
            budget=BUDGET,
            baselines=BASELINES,
        )
        inline.run(scheduler, task, formula)
        made.close()

    def open_study(name: str) -> StoredStudy:
        if not (tmp_path / name).is_dir():
            shutil.copytree(searched, tmp_path / name)
        return StoredStudy(tmp_path / name, settings, sizes)

    return open_study
