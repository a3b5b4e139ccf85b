"""The documentation names every command, option, search-space key and result column."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from nas.cli.app import build_app
from nas.results.tables import FRONT_HEADER

ROOT = Path(__file__).parents[1]


def options() -> list[tuple[str, str]]:
    found = []

    def walk(name: str, command: object) -> None:
        for child, sub in getattr(command, "commands", {}).items():
            walk(f"{name} {child}".strip(), sub)
        for parameter in getattr(command, "params", []):
            found.extend((name, text) for text in parameter.opts if text.startswith("--"))

    walk("", typer.main.get_command(build_app()))
    return [(name, option) for name, option in found if name]


@pytest.mark.parametrize(("command", "option"), options())
def test_every_option_is_in_the_command_reference(command: str, option: str) -> None:
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    sections = re.split(r"^## ", text, flags=re.M)
    section = [part for part in sections if part.startswith(f"ghostnas {command}\n")]
    assert section, f"docs/reference/cli.md has no section for `ghostnas {command}`"
    assert option in section[0], f"docs/reference/cli.md does not explain {option} of `ghostnas {command}`"


def test_the_command_reference_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "docs/reference/generate.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_column_of_the_front_is_explained() -> None:
    text = (ROOT / "docs" / "reference" / "results.md").read_text()
    missing = [column for column in FRONT_HEADER if f"`{column}`" not in text]
    assert not missing


def anchors(file: Path) -> set[str]:
    """What a link may name in a page: its headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_documents_hold() -> None:
    broken = []
    for file in [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", file.read_text()):
            if target.startswith("http"):
                continue
            place = file.parent / target if target else file
            if not place.exists() or (anchor and anchor not in anchors(place)):
                broken.append(f"{file.name}: {target}#{anchor}")
    assert not broken


def test_the_tests_that_the_table_of_inputs_names_are_there() -> None:
    text = (ROOT / "docs" / "development" / "inputs.md").read_text()
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    files = set(re.findall(r"`(tests/[\w/]+\.py)", text))
    names = set(re.findall(r"\b(test_\w+)`", text))
    assert len(files) > 10 and len(names) > 20
    assert not [file for file in files if not (ROOT / file).is_file()]
    assert not [name for name in names if not any(f"def {name}(" in one for one in tests)]
