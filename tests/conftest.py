"""Shared fixtures: a cache folder of the test run's own, so that no test reads or writes the user's."""

import os
import tempfile
from pathlib import Path

import pytest

# Set at import, before any test module imports Ultralytics. A CI run may name a cache to share work between steps.
os.environ.setdefault("GHOSTNAS_CACHE", str(Path(tempfile.gettempdir()) / f"ghostnas-tests-{os.getuid()}"))

# One thread a library: tests run in several processes, and idle OpenMP threads spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from nas.util import ultralytics_env

ultralytics_env.prepare()

pytest_plugins = ["tests.postgres_server", "tests.trained_run"]

MEASURING = Path(__file__).parent / "latency"
"""Where the tests are that measure."""

BCCD = Path(__file__).parents[2] / "shared" / "datasets" / "bccd" / "data.yaml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left alone with it at the end; `make test` measures in one folder."""
    astray = [
        item.nodeid for item in items if item.get_closest_marker("measures") and MEASURING not in item.path.parents
    ]
    if astray:
        raise pytest.UsageError(f"tests that measure belong into {MEASURING}: {', '.join(astray)}")
    items.sort(key=lambda item: "end_to_end" not in item.nodeid)


@pytest.fixture(scope="session")
def bccd() -> Path:
    """The real blood-cell pictures; skips where they are absent."""
    if not BCCD.is_file():
        pytest.skip(f"the BCCD pictures are not here ({BCCD})")
    return BCCD
