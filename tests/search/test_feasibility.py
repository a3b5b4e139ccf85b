"""The start-up check, with latencies by formula."""

from dataclasses import replace

import pytest

from nas.architecture.architecture import Architecture
from nas.errors import TargetUnreachable
from nas.latency import LatencySettings
from nas.search.evaluate import Task
from nas.search.feasibility import Feasibility, check
from nas.space.space import SearchSpace, load_space
from nas.study.evaluation import Evaluation
from tests.search.conftest import formula


def test_baselines_meet_the_target_where_they_can(space: SearchSpace, task: Task) -> None:
    found = check(space, task, formula)
    assert found.fastest_ms < 2.5 < found.slowest_ms
    by_hand = {label: design for label, design in found.baselines.items() if label not in ("yolo11n", "ghostnetv2")}
    assert {"yolo11n", "ghostnetv2"} < set(found.baselines)
    assert len(by_hand) > 1 and {design.imgsz for design in by_hand.values()} <= set(space.choices["imgsz"])
    assert all(formula(design, task).latency.latency_ms <= 2.5 for design in by_hand.values())
    assert formula(found.baselines["yolo11n"], task).violations
    assert found.seeds and all(space.encode(design) is not None for design in found.seeds)
    assert Feasibility.from_dict(found.to_dict()) == found


def test_literals_are_tried_at_the_largest_size_that_meets(space: SearchSpace, task: Task) -> None:
    from nas.space.literals import points, shipped_literals

    literals = points(space, shipped_literals().values())
    plain, seeded = check(space, task, formula), check(space, task, formula, literals.values())
    assert seeded.baselines == plain.baselines and seeded.seeds[: len(plain.seeds)] == plain.seeds
    for designs in literals.values():
        meeting = [design for design in designs if not formula(design, task).violations]
        taken = {*seeded.seeds, *seeded.baselines.values()}
        assert not meeting or meeting[0] in taken
    assert len(seeded.seeds) == len(set(seeded.seeds))


@pytest.mark.slow
def test_of_a_space_of_many_families_few_corners_are_measured(task: Task) -> None:
    seen: list[Architecture] = []

    def counted(design: Architecture, task: Task) -> Evaluation:
        seen.append(design)
        return formula(design, task)

    found = check(load_space("mixed-n"), task, counted)
    assert len(seen) < 40 and found.fastest_ms < 2.5 < found.slowest_ms
    strict = replace(task, limits=replace(task.limits, target_ms=0.4))
    seen.clear()
    with pytest.raises(TargetUnreachable):
        check(load_space("mixed-n"), strict, counted)
    # Nothing is called unreachable before every corner and every kind of neck and head were tried.
    assert {design.key for design in load_space("mixed-n").smallest()} <= {design.key for design in seen}
    assert {design.neck for design in seen} == {"pan", "slim", "afpn"}
    assert {design.head for design in seen} == {"yolo11", "mbconv"}


def test_a_runtime_without_the_precision_is_advice_not_an_error(space: SearchSpace, task: Task) -> None:
    how = LatencySettings(runtime="openvino", precision="bfloat16")
    strict = replace(task, device=replace(task.device, settings=how), limits=replace(task.limits, target_ms=0.4))
    with pytest.raises(TargetUnreachable, match=r"--runtime onnxruntime: not measured \(runtime onnxruntime measures"):
        check(space, strict, formula)


@pytest.mark.parametrize(
    ("limits", "advised", "measured"),
    [
        ({"max_params": 900}, ["--max-params 0.0012M"], []),
        ({"max_gflops": 0.05}, ["--max-gflops 0.12"], ["--imgsz 64"]),
        ({"max_bytes": 3000}, ["--max-size 0.0048MB"], []),
        ({"target_ms": 0.4}, ["--target-latency 0.68ms"], ["--imgsz 64", "--runtime openvino"]),
        ({"target_ms": 0.4, "max_params": 900}, ["--target-latency 0.68ms", "--max-params 0.0012M"], ["--imgsz 64"]),
    ],
)
def test_the_advice_is_on_the_limits_that_are_missed(
    space: SearchSpace,
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, float],
    advised: list[str],
    measured: list[str],
) -> None:
    monkeypatch.setattr("nas.latency.measure.LatencyDevice.calibrated", lambda device: device)
    strict = replace(task, limits=replace(task.limits, **limits))  # type: ignore[arg-type]
    with pytest.raises(TargetUnreachable) as refusal:
        check(space, strict, formula)
    ways = str(refusal.value).split("\n  - ")[1:]
    assert [way.partition(" leaves room")[0] for way in ways if "leaves room" in way] == advised
    told = [way.partition(":")[0] for way in ways if "its fastest takes" in way]
    assert all(option in told for option in measured) and bool(told) == bool(measured)
    assert all("GFLOPs" in way for way in ways if "max_gflops" in limits and "its fastest takes" in way)


def test_an_unreachable_target_says_what_is_reachable(
    space: SearchSpace, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.latency.measure.LatencyDevice.calibrated", lambda device: device)
    strict = replace(task, limits=replace(task.limits, target_ms=0.4))
    with pytest.raises(TargetUnreachable) as refusal:
        check(space, strict, formula)
    message = str(refusal.value)
    for part in ("no model of ghostv2-n meets", "--target-latency", "--imgsz 64", "--runtime openvino", "--space"):
        assert part in message
