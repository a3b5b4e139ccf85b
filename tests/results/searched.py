"""A concluded search that was never carried out: numbers by formula, pictures of the embedded set, no trained model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nas.architecture.architecture import Architecture
from nas.data.dataset import DetectionData, Split
from nas.data.findings import Findings
from nas.data.picture import read_picture
from nas.proxy import Score
from nas.proxy.validation import Detected
from nas.search.compare import class_accuracy, size_accuracy
from nas.search.compared_pictures import CONFIDENCE, compared_pictures
from nas.search.stage_times import by_stage
from nas.space import load_space
from nas.space.reference_designs import yolo11
from nas.study.comparison import Comparison
from nas.study.finalists import Finalist, FinalMeasurement
from nas.study.gain import Gain
from nas.study.outcome import Outcome
from nas.study.record import Record, TrainedRecord, as_trained
from nas.study.rungs import RungScore, RungStanding
from tests.search.conftest import changed
from tests.trained_run import SETTINGS, evaluation

TARGET_MS = 2.5
RUNGS = (400, 1200)
BEST, RIVAL = "trial-3", "yolo11-scaled"
NAMES = ("square", "disc", "ring", "cross", "star", "bar")


def designs(count: int) -> list[Architecture]:
    """Random designs of the default space."""
    space, random = load_space("ghostv2-n"), np.random.default_rng(0)
    drawn = [{one.name: int(random.integers(len(one.choices))) for one in space.dimensions} for _ in range(count)]
    return [space.decode(one) for one in drawn]


def record(label: str, design: Architecture, latency_ms: float, score: float | None) -> Record:
    """A stored trial; without a score a rejected one."""
    baseline = not label.startswith("trial-")
    number = 0 if baseline else int(label.removeprefix("trial-"))
    status = "rejected" if score is None else "trained"
    found = evaluation(design, latency_ms, score)
    made = Record(number, label, baseline, status, design.key, {}, "random", found, None, None)  # type: ignore[arg-type]
    return made if score is None else as_trained(made)


def finalist(one: TrainedRecord, file: str, *, rungs: Sequence[int] = ()) -> Finalist:
    """A finalist of a trial."""
    latency, score = replace(one.evaluation.latency, level="finalist"), one.score.map50_95
    longer = {steps: RungScore(Score(score + steps / 6000, 0.5), steps, 9.0, 0.012) for steps in rungs}
    val = Score(score + 0.2 * bool(rungs), 0.5)
    final = FinalMeasurement(latency, val, None, 0.0, file)
    return Finalist(one, final, latency.meets(TARGET_MS), score, None, 1, longer)


def detected(val: Split, shapes: Sequence[tuple[int, int]], seed: int, skill: float) -> list[Detected]:
    """What a design of some skill might detect: most objects, roughly, and a few that are none."""
    random, found = np.random.default_rng(seed), []
    for labels, (height, width) in zip(val.labels, shapes, strict=True):
        centre, size = labels[:, 1:3] * (width, height), labels[:, 3:5] * (width, height)
        objects = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
        seen = random.random(len(objects)) < skill
        moved = objects[seen] + random.normal(0, 1, (int(seen.sum()), 4)).astype(np.float32)
        extra = random.integers(0, 2)
        corner = random.uniform(0, 0.6, (extra, 2)) * (width, height)
        invented = np.concatenate([corner, corner + 0.3 * height], axis=1).astype(np.float32)
        boxes = np.concatenate([moved, invented])
        confidence = random.uniform(0.1, 0.95, len(boxes)).astype(np.float32)
        kinds = np.concatenate([labels[seen, 0], random.integers(0, 6, extra)]).astype(np.float32)
        order = np.argsort(-confidence)
        truth = labels[:, 0].astype(np.float32)
        found.append(Detected(boxes[order], confidence[order], kinds[order], objects, truth))
    return found


def comparison(data: DetectionData, names: Sequence[str]) -> Comparison:
    """The comparison of that search.

    Args:
        data: Its data, with six classes.
        names: What the classes are called.
    """
    val = data.val
    shapes = [read_picture(path).shape[:2] for path in val.images]
    ours, theirs = detected(val, shapes, 1, 0.85), detected(val, shapes, 2, 0.6)
    design, scaled = designs(8)[3], yolo11("n", 128, 0.5)
    return Comparison(
        label=BEST,
        rival=RIVAL,
        files=("a" * 64, "b" * 64),
        confidence=CONFIDENCE,
        classes=class_accuracy(names, ours, theirs),
        sizes=size_accuracy(ours, theirs),
        pictures=compared_pictures(val, ours, theirs),
        stages={
            BEST: by_stage(design, {layer: 0.03 + 0.01 * (layer % 5) for layer in range(24)}),
            RIVAL: by_stage(scaled, {layer: 0.1 for layer in range(24)}),
        },
        no_stages=None,
    )


def outcome(
    folder: Path, data: DetectionData | None = None, names: Sequence[str] = NAMES, *, trials: int = 24
) -> Outcome:
    """A concluded search with rungs, whose best design beats a scaled YOLO11.

    Args:
        folder: Results folder.
        data: On whose val its trained models were looked at; None where they were not.
        names: Names of the six classes.
        trials: Candidates.
    """
    candidates = [
        record(
            f"trial-{number}",
            design,
            0.6 + (number * 37 % 100) / 40 if number != 3 else 2.2,
            None if number % 5 == 4 else 0.06 + (number * 53 % 97) / 1500 + 0.1 * (number == 3),
        )
        for number, design in enumerate(designs(trials))
    ]
    known = [record("yolo11n", yolo11("n", 160), 5.24, 0.09), record(RIVAL, yolo11("n", 128, 0.5), 2.43, 0.07)]
    trained = [one for one in candidates if isinstance(one, TrainedRecord)]
    front = sorted(trained, key=lambda one: -one.score.map50_95)[:4]
    ours = [finalist(one, "a" * 64 if one.label == BEST else one.label, rungs=RUNGS) for one in front]
    theirs = [finalist(as_trained(one), "b" * 64, rungs=RUNGS) for one in known]
    finalists = [*ours, *theirs]
    labels = tuple(one.record.label for one in finalists)
    begun = {
        "device": "Some CPU, 2 cores",
        "runtime": "onnxruntime 1.32.0",
        "arithmetic": "float32",
        "machine": {"processor": "Some CPU", "cores": 2, "system": "Linux"},
        "versions": {"ghostnas": "0.1.0", "torch": "2.14.1"},
    }
    return Outcome(
        folder=folder,
        settings=changed(SETTINGS, rungs=list(RUNGS), steps=60),
        budget=trials,
        records=candidates,
        baseline_records=known,
        repeats={},
        begun=begun,
        front=ours,
        baselines=theirs,
        fastest_ms=0.29,
        slowest_ms=12.8,
        ended="budget",
        seconds=960.0,
        data_sizes={"train": 576, "select": 144, "val": 200},
        protocol={"lr": 0.012},
        data_yaml=None,
        data_file="/data/data.yaml",
        class_names=tuple(names),
        findings=Findings(),
        standing=tuple(RungStanding(steps, labels, (), {}, True) for steps in RUNGS),
        rungs={one.record.label: one.rungs for one in finalists},
        gain=Gain(BEST, RIVAL, ("a" * 64, "b" * 64), 0.131, 0.016, 0.017, 40),
        comparison=None if data is None else comparison(data, names),
        command="ghostnas search --target-latency 2.5ms",
    )
