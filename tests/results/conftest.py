"""The fixtures of the search's tests."""

from tests.search.conftest import by_formula, opened, searched, settings, sizes, space, task  # noqa: F401
