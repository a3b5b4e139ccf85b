"""A Ray cluster of two nodes on this machine: two raylets, each of a core."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.search.executors.ray_tune import home, read_variables_again
from nas.search.executors.scratch import own_folder
from nas.util.environment import module_path

StartCluster = Callable[..., Any]

_STORE_BYTES = 80 * 2**20


@pytest.fixture
def start_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartCluster]:
    """Starts a head and further nodes by their cores and GPUs; they end with the test."""
    from ray.cluster_utils import Cluster

    for name in [name for name in os.environ if name.startswith(("RAY_", "TUNE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", module_path())
    # It would take the place of a cluster of the user's, for `auto`.
    monkeypatch.setattr("ray._private.utils.write_ray_address", lambda *_: None)
    read_variables_again(several_machines=True)
    started = []
    with own_folder(home()) as session:

        def start(*nodes: dict[str, float]) -> Any:
            common = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
            head, *others = nodes
            cluster = Cluster(
                initialize_head=True,
                shutdown_at_exit=True,
                head_node_args={**common, "temp_dir": str(session), **head},
            )
            started.append(cluster)
            for other in others:
                cluster.add_node(**common, **other)
            return cluster

        yield start
        for cluster in started:
            cluster.shutdown()


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which stand-ins for trainings leave what they saw, whatever node they ran on."""
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv("GHOSTNAS_TEST_MARKS", str(folder))
    return folder
