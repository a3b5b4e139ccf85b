"""Joining a Ray cluster that others have started, and leaving it as it was."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import GhostnasError
from nas.search.executors.cluster.address import AUTO, host_and_port
from nas.search.executors.ray_tune import QUIET, home, in_one_line, init_quietly, read_variables_again
from nas.search.executors.scratch import own_folder
from nas.util.checkpoint_trust import trust_variables

_ANSWER_S = 5.0

_ON_NODES = {
    "OMP_NUM_THREADS": "1",
    # A process that asks for no GPU sees all of them: a node is asked what it has without taking any of it.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
}


@contextmanager
def joined(address: str) -> Iterator[Path]:
    """A cluster, joined as a driver; yields a scratch folder of this machine, deleted afterwards.

    The user's own variables stay: they say which token the cluster wants.

    Args:
        address: `auto` or `HOST:PORT` (`check_address`).

    Raises:
        GhostnasError: It cannot be joined.
    """
    on_terminate, before = signal.getsignal(signal.SIGTERM), dict(os.environ)
    with own_folder(home()) as scratch:
        os.environ.update(QUIET)
        try:
            import ray

            try:
                _join(address, scratch)
                signal.signal(signal.SIGTERM, on_terminate)  # Ray's own prints a trace of its C++
                yield scratch
            finally:
                ray.shutdown()
        finally:
            os.environ.clear()
            os.environ.update(before)


def variables_on_nodes() -> dict[str, str]:
    """The variables of the processes that work for this search, on every node."""
    return {**_ON_NODES, **trust_variables()}


def _join(address: str, scratch: Path) -> None:
    found = _known_address() if address == AUTO else address
    _check_answers(found)
    read_variables_again(several_machines=True)
    try:
        init_quietly(scratch, address=found, runtime_env={"env_vars": variables_on_nodes()})
    except Exception as error:  # what is amiss may be anything: versions, tokens, the network
        raise GhostnasError(
            f"the Ray cluster at {found} cannot be joined ({in_one_line(error)}). This machine must be a node of it "
            f"(`ray start --address={found}`, for a search that only measures here with --num-cpus=0), with the same "
            "Python, Ray and token (RAY_AUTH_TOKEN)"
        ) from error


def _known_address() -> str:
    """The cluster that this machine was made a node of with `ray start`."""
    from ray._private import services

    # Not Ray's own "auto": that takes any Ray that runs here, such as that of a search without a cluster.
    found = services.find_bootstrap_address(None)
    if not found:
        raise GhostnasError(
            "--ray-address auto: this machine is no node of a Ray cluster; run `ray start --head` here, or "
            "`ray start --address=HOST:PORT` for one that runs, or give --ray-address HOST:PORT"
        )
    return str(found)


def _check_answers(address: str) -> None:
    """Raises GhostnasError where nothing listens: Ray itself would try for a minute."""
    if (parts := host_and_port(address)) is None:
        raise GhostnasError(f"the address {address} of the Ray cluster is not HOST:PORT; give --ray-address HOST:PORT")
    try:
        socket.create_connection(parts, timeout=_ANSWER_S).close()
    except OSError as error:
        raise GhostnasError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); start it with `ray start --head` there, "
            "or give the address that it printed"
        ) from error
