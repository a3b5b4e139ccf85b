"""A real search on a Ray cluster, its study in PostgreSQL, that loses a node and its database on the way.

    python -m benchmarks.faults.cluster_search            # about 4 minutes on 2 idle cores

`ghostnas search` trains on two nodes of this machine, each a raylet with one core: a head and a second node. In the
middle every process of the second node is killed with -9, and a new node is started. Later every process of the
PostgreSQL server is killed with -9 and started again some seconds after that. The search has to end by itself, with its
report. All of it lies in temporary folders; the server listens on loopback, and the cluster wants a token.

The whole log of the search is printed with its times, and the faults where they come. The last line has the figures:
`trained` candidates, stored scores that are `lost` (gone or changed after they were seen), scores that were `doubled`
(designs that are stored twice or were trained again), the `exit` code, and whether the `report` is there.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.common import postgres_server
from benchmarks.faults.outcome import Watched
from nas.study import read_records

NAME = "cluster-search"
BUDGET = 6
SEARCH = (
    *("search", "--name", NAME, "--space", "ghostv2-n", "--imgsz", "64", "--budget", str(BUDGET)),
    *("--steps", "10", "--rungs", "20:3,40:1", "--sampler", "random"),
    *("--target-latency", "20ms", "--target-stat", "p50", "--sustained", "0.1s"),
)
NODE_AT, DATABASE_AT = 2, 5
"""Stored scores at which the node and the database are killed."""
DOWN_S = 8.0
LONGEST_S = 1500.0
_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
_TRAINS = "ray::ResourceTrainable.train"
"""What Ray calls a worker that trains."""


def main() -> None:
    """Carry it out; exit code 1 where a score was lost or doubled, or the search did not end with its report."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if (why := postgres_server.missing()) is not None:
        raise SystemExit(why)
    os.environ["PGPASSWORD"] = postgres_server.PASSWORD
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    with ExitStack() as stack:
        # Short, because Ray's sockets lie in it.
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gn-", ignore_cleanup_errors=True)))
        database = stack.enter_context(postgres_server.serving())
        log = Log()
        nodes = stack.enter_context(cluster(place / "ray", log))
        found = searched(place, database, nodes, log)
    print(json.dumps(found), flush=True)
    good = {"trained": BUDGET, "lost": 0, "doubled": 0, "exit": 0, "report": True}
    raise SystemExit(found != good)


def searched(
    place: Path, database: postgres_server.PostgresServer, nodes: "Nodes", log: "Log"
) -> dict[str, int | bool | None]:
    """The search with its faults, and the figures of the last line."""
    folder = place / "results" / NAME
    storage = database.new_database(password=None)
    words = [*SEARCH, "--out", str(place / "results"), "--storage", storage, "--ray-address", nodes.address]
    log.say(f"$ ghostnas {' '.join(words)}")
    command = [sys.executable, "-m", "nas", *words]
    search = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=place, text=True)
    thread = threading.Thread(target=log.follow, args=(search,))
    thread.start()
    watched = Watched(folder)
    try:
        if _until(search, lambda: watched.look() >= NODE_AT and nodes.trains()):
            log.say("FAULT: kill -9 of every process of the second node, in the middle of a training")
            nodes.kill()
            nodes.start()
            log.say("a new node has joined the cluster")
        if _until(search, lambda: watched.look() >= DATABASE_AT):
            log.say(f"FAULT: kill -9 of every process of the PostgreSQL server, for {DOWN_S:g} s")
            database.stop(signal.SIGKILL, every_process=True)
            time.sleep(DOWN_S)
            database.start()
            log.say("the PostgreSQL server answers again")
        with suppress(subprocess.TimeoutExpired):
            search.wait(LONGEST_S)
    finally:
        if search.poll() is None:
            log.say("the search hangs and is killed")
            search.kill()
        thread.join()
    watched.look()
    run = folder / "run.json"
    again = len(json.loads(run.read_text())["retrained"]) if run.is_file() else 0
    return {
        "trained": sum(record.status == "trained" for record in read_records(folder)[1]),
        "lost": watched.lost,
        "doubled": watched.doubled + again,
        "exit": search.returncode,
        "report": (folder / "report.html").is_file(),
    }


def _until(search: "subprocess.Popen[str]", reached: Callable[[], bool]) -> bool:
    """Wait for something; False where the search ends before, or it takes too long."""
    until = time.monotonic() + LONGEST_S
    while search.poll() is None and time.monotonic() < until:
        if reached():
            return True
        time.sleep(0.3)
    return False


class Log:
    """What is printed, with the seconds since the begin."""

    def __init__(self) -> None:
        """It begins now."""
        self._since = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line of the benchmark's own."""
        self._print(f"## {text}")

    def follow(self, search: "subprocess.Popen[str]") -> None:
        """Print what a search writes until it ends."""
        assert search.stdout is not None
        for line in search.stdout:
            self._print(line.rstrip())

    def _print(self, text: str) -> None:
        print(f"[{time.monotonic() - self._since:6.1f} s] {text}", flush=True)


class Nodes:
    """A cluster of this machine: a head and a second node, of one core each."""

    def __init__(self, temp: Path) -> None:
        """Start them."""
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True, shutdown_at_exit=True, head_node_args={**_NODE, "temp_dir": str(temp)}
        )
        self.address: str = self._cluster.address
        self.start()

    def start(self) -> None:
        """Start a second node."""
        self._second = self._cluster.add_node(**_NODE)

    def trains(self) -> bool:
        """Whether a worker of the second node trains."""
        with suppress(psutil.NoSuchProcess):
            return any(" ".join(one.cmdline()).startswith(_TRAINS) for one in self._family())
        return False

    def kill(self) -> None:
        """Kill every process of the second node with -9."""
        for one in self._family():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._cluster.remove_node(self._second, allow_graceful=False)

    def shutdown(self) -> None:
        """End all of it."""
        self._cluster.shutdown()

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            raylet = psutil.Process(self._second.all_processes["raylet"][0].process.pid)
            return [raylet, *raylet.children(recursive=True)]
        return []


@contextmanager
def cluster(temp: Path, log: Log) -> Iterator[Nodes]:
    """A cluster that others can join, ended afterwards.

    Args:
        temp: For Ray's files; a short path, because its sockets lie there.
        log: Told when it is there.
    """
    from ray._private import utils

    # It would take the place of a cluster of the user's, for `auto`.
    utils.write_ray_address = lambda *_: None
    nodes = Nodes(temp)
    log.say(f"a Ray cluster of two nodes of this machine, of one core each, at {nodes.address}")
    try:
        yield nodes
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    main()
