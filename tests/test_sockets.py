"""Every socket that a search, a dashboard or Ray opens is on the loopback address, and all of them are listed."""

import ipaddress
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from nas.latency.remote.connection import connect
from nas.results.dashboard import server
from nas.search.executors import inline, ray_tune
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search.conftest import formula, settings, sizes, space, task  # noqa: F401

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of its own deprecations

_OF_RAY = {"driver", "gcs_server", "raylet", "ray::RuntimeEnvAgent", "ray::worker"}
"""Processes of a search with Ray that listen: this one, Ray's store of its state, its scheduler, and workers."""


def _listening() -> Iterator[tuple[str, Any]]:
    """Process and address of each socket of this process and its children that is open to connections or datagrams."""
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            name = "driver" if process == this else process.name()
            open_sockets = process.net_connections(kind="inet")
        except psutil.Error:  # it has ended
            continue
        for one in open_sockets:
            if one.laddr and (one.status == psutil.CONN_LISTEN or one.type == socket.SOCK_DGRAM):
                yield ("ray::worker" if name.startswith("ray::") and "Agent" not in name else name), one.laddr.ip


def _reachable() -> list[tuple[str, str]]:
    """Those that another machine can reach."""
    return [(name, ip) for name, ip in _listening() if not _is_loopback(ip)]


def _is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _scheduler(study: StoredStudy, space: SearchSpace) -> TrialScheduler:  # noqa: F811
    proposer = Proposer(space, sampler="random", seed=0, limits=study.limits)
    return TrialScheduler(study, proposer, budget=1, baselines={"yolo11n": yolo11("n", 160)})


def test_a_socket_for_all_is_seen() -> None:
    before = Counter(_reachable())
    with socket.socket() as open_to_all:
        open_to_all.bind(("0.0.0.0", 0))
        open_to_all.listen()
        assert Counter(_reachable()) - before == Counter({("driver", "0.0.0.0"): 1})


def test_a_search_without_ray_and_a_measuring_process_listen_nowhere(
    tmp_path: Path,
    settings: SearchSettings,  # noqa: F811
    sizes: dict[str, int],  # noqa: F811
    space: SearchSpace,  # noqa: F811
    task: Any,  # noqa: F811
) -> None:
    before = Counter(_listening())
    seen: list[Counter[tuple[str, Any]]] = []

    def watched(*words: Any, **more: Any) -> Any:
        seen.append(Counter(_listening()))
        return formula(*words, **more)

    study = StoredStudy(tmp_path, settings, sizes)
    inline.run(_scheduler(study, space), task, watched)
    study.close()
    with connect("local") as link:
        assert link.ask({"do": "hello"}, timeout_s=60)["pid"]
        seen.append(Counter(_listening()))
    assert len(seen) >= 3 and all(found == before for found in seen)


def test_a_dashboard_listens_on_the_loopback_address(
    tmp_path: Path,
    settings: SearchSettings,  # noqa: F811
    sizes: dict[str, int],  # noqa: F811
) -> None:
    pytest.importorskip("optuna_dashboard", reason="the extra `dashboard` is not installed")
    StoredStudy(tmp_path, settings, sizes).close()
    before = Counter(_listening())
    with server(tmp_path, "127.0.0.1", 0):
        assert Counter(_listening()) - before == Counter({("driver", "127.0.0.1"): 1})


@pytest.mark.slow
def test_ray_listens_on_the_loopback_address() -> None:
    before = Counter(_listening())  # of other tests
    with ray_tune.started(1):
        import ray

        assert ray.get(ray.remote(lambda: 1).remote()) == 1
        opened = Counter(_listening()) - before
        assert all(_is_loopback(ip) for _, ip in opened)
    names = {name for name, _ in opened}
    assert {"gcs_server", "raylet"} <= names <= _OF_RAY
