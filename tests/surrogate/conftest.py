"""The space and the task of the search's tests."""

from tests.search.conftest import space, task  # noqa: F401  (fixtures)
