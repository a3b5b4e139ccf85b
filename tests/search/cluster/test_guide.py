"""The files of the guide are what Ray and Kubernetes read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "cluster.md"


def blocks() -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(), re.M | re.S)]


@pytest.mark.filterwarnings("ignore")
def test_ray_takes_the_cluster_yaml() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = next(one for one in blocks() if "cluster_name" in one)
    validate_config(prepare_config(config))
    with pytest.raises(Exception, match="head_command"):
        validate_config(prepare_config({**config, "head_command": "ray start"}))


def test_the_job_is_whole() -> None:
    job = next(one for one in blocks() if one.get("kind") == "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert "--ray-address auto" in job["spec"]["entrypoint"] and job["apiVersion"] == "ray.io/v1"
    for group in (head, workers):
        (container,) = group["template"]["spec"]["containers"]
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert limits == requests and int(limits["cpu"]) == float(limits["cpu"])  # whole cores of its own
    assert {one["name"] for one in head["template"]["spec"]["volumes"]} == {
        one["name"] for one in head["template"]["spec"]["containers"][0]["volumeMounts"]
    }
