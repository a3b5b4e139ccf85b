"""Which nodes train, and how many trials at a time."""

from dataclasses import replace

import pytest

from nas.errors import UsageError
from nas.search.executors.cluster.carried import given_device
from nas.search.executors.cluster.nodes import TRAINING_GPU_BYTES, Allotment, Facts, NodeReport, allot, check_enough

OURS = Facts({"ghostnas": "1", "torch": "2.14", "Ultralytics": "8.4", "arithmetic": "bfloat16"}, (), "here", "1:2")
THERE = replace(OURS, machine="there", locks="9:9")
NODE = NodeReport("a", "10.0.0.1", 4, 0, THERE, data="/data.yaml")
GPU = replace(OURS, same={**OURS.same, "GPU": "H200"}, machine="there")


def on_cpu(*reports: NodeReport, measured_here: bool = True) -> Allotment:
    return allot(reports, OURS, on_gpu=False, measured_here=measured_here)


def on_gpu(*free: int, cpus: float = 16) -> Allotment:
    facts = replace(GPU, free_bytes=tuple(free))
    return allot([NodeReport("a", "10.0.0.1", cpus, len(free), facts)], GPU, on_gpu=True, measured_here=False)


def test_a_node_trains_one_trial_a_core() -> None:
    found = on_cpu(NODE, replace(NODE, id="b", cpus=2.5))
    assert [node.trials for node in found.used] == [4, 2] and found.trials == 6
    assert found.resources == {"CPU": 1.0}
    assert {node.data for node in found.nodes} == {"/data.yaml"}


@pytest.mark.parametrize(
    "name, value", [("torch", "2.13"), ("Ultralytics", "8.3"), ("arithmetic", "float32"), ("ghostnas", "0")]
)
def test_a_node_of_another_arithmetic_is_listed_and_not_used(name: str, value: str) -> None:
    other = replace(NODE, id="b", facts=replace(THERE, same={**THERE.same, name: value}))
    found = on_cpu(NODE, other)
    assert [node.id for node in found.used] == ["a"] and found.trials == 4
    assert found.nodes[1].why_not == f"its scores would not compare: {name} {value} ({OURS.same[name]} here)"
    assert found.nodes[1].trials == 0


def test_a_node_with_another_gpu_is_not_used() -> None:
    facts = replace(GPU, same={**GPU.same, "GPU": "T4"}, free_bytes=(2**40,))
    found = allot([NodeReport("a", "h", 4, 1, facts)], GPU, on_gpu=True, measured_here=False)
    assert found.nodes[0].why_not == "its scores would not compare: GPU T4 (H200 here)"


@pytest.mark.parametrize(
    "report, why",
    [
        (replace(NODE, cpus=0), "it has 0 cores to give"),
        (replace(NODE, facts=None), "it did not answer"),
        (replace(NODE, facts=None, problem="No module named 'nas'"), "No module named 'nas'"),
        (replace(NODE, problem="the data set is not there"), "the data set is not there"),
        (replace(NODE, facts=replace(OURS, locks="7:7")), "would disturb the measurements"),
    ],
)
def test_why_a_node_is_not_used(report: NodeReport, why: str) -> None:
    (node,) = on_cpu(report).nodes
    assert node.why_not is not None and why in node.why_not


def test_other_locks_on_this_machine_disturb_nothing_that_is_measured_elsewhere() -> None:
    same_machine = replace(NODE, facts=replace(OURS, locks="7:7"))
    assert on_cpu(same_machine, measured_here=False).trials == 4
    assert on_cpu(replace(NODE, facts=OURS)).trials == 4  # the same user's


def test_a_gpu_is_shared_by_as_many_trials_as_the_least_free_memory_holds() -> None:
    found = on_gpu(10 * TRAINING_GPU_BYTES, 3 * TRAINING_GPU_BYTES)
    assert found.gpu == 0.3333 and found.trials == 6
    assert found.resources == {"CPU": 1.0, "GPU": 0.3333}
    assert on_gpu(10 * TRAINING_GPU_BYTES, cpus=4).trials == 4


def test_a_gpu_without_free_memory_is_not_used() -> None:
    found = on_gpu(TRAINING_GPU_BYTES - 1)
    assert found.nodes[0].why_not == "a GPU of it has 3.0 GiB free, and a trial takes 3" and not found.trials
    assert on_gpu(TRAINING_GPU_BYTES).resources == {"CPU": 1.0, "GPU": 1.0}


def test_a_node_without_gpus_does_not_train_on_them() -> None:
    found = allot([replace(NODE, facts=GPU)], GPU, on_gpu=True, measured_here=True)
    assert "it has 0 GPUs to give" in str(found.nodes[0].why_not)


def test_workers_are_as_many_as_the_cluster_holds_or_as_are_asked_for() -> None:
    found = on_cpu(NODE, replace(NODE, id="b", host="10.0.0.2", cpus=2))
    assert [check_enough(found, asked) for asked in (0, 1, 6)] == [6, 1, 6]
    with pytest.raises(UsageError, match=r"--workers 7: .* train 6 at a time \(10.0.0.1 4, 10.0.0.2 2\)") as refused:
        check_enough(found, 7)
    assert "\n" not in str(refused.value)


def test_a_cluster_in_which_no_node_can_train_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no node of the cluster can train \(10.0.0.1: it has 0 cores"):
        check_enough(on_cpu(replace(NODE, cpus=0)), 0)


def test_a_trial_trains_on_the_gpu_that_ray_gave() -> None:
    assert given_device("cpu", []) == "cpu"
    assert given_device("cuda:3", ["7"]) == "cuda:0"  # the only one that its process sees
    with pytest.raises(RuntimeError, match="Ray gave 0"):
        given_device("cuda:0", [])
