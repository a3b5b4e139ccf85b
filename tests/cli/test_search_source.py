"""What a search begins from where its command does not say."""

import pytest

from nas.cli.search import source_of


@pytest.mark.parametrize(
    ("asked", "otherwise", "source"),
    [
        (None, (False, None, None, None, False), "self"),
        (None, (True, None, None, None, False), None),  # --space
        (None, (False, 45, None, None, False), None),  # --steps
        (None, (False, None, 1.5, None, False), None),  # --epochs
        (None, (False, None, None, "20m", False), None),  # --max-time
        (None, (False, None, None, None, True), None),  # --seed-literals
        ("scratch", (False, None, None, None, False), None),
        ("self-s", (True, 45, None, None, False), "self-s"),
        ("yolo11n.pt", (False, None, None, "20m", False), "yolo11n.pt"),
        ("", (False, None, None, None, False), ""),  # refused later, as no checkpoint
    ],
)
def test_without_from_the_source_is_trained_unless_something_else_is_chosen(
    asked: str | None, otherwise: tuple[object, ...], source: str | None
) -> None:
    assert source_of(asked, *otherwise) == source
