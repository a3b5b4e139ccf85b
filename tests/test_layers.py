"""Imports point down: each file of `nas/` imports only from lower floors (docs/architecture.md)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nas

ROOT = Path(nas.__file__).parent

MAP = Path(__file__).parents[1] / "docs" / "architecture.md"


def floors() -> dict[str, int]:
    """The floor of every room by the map's table; `space*.py` stands for several."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", MAP.read_text(), flags=re.M)
    rooms = [(int(number), name) for number, names in rows for name in re.findall(r"`([^`]+)`", names)]
    found = {}
    for number, name in rooms:
        for path in ROOT.glob(name.rstrip("/")):
            found[path.stem] = number
    return found


FLOORS = floors()
APART = [("architecture", "blocks"), ("latency", "proxy"), ("search", "executors")]


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "nas":
            names += [f"nas.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("nas.")}
    return found - {"__version__"}


FILES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def floor(name: str) -> int:
    assert name in FLOORS, f"docs/architecture.md has no floor for nas/{name}"
    return FLOORS[name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    here = room(path)
    for other in imported_rooms(path) - {here}:
        # Within a floor files may build on each other (space_file on space); `test_no_cycles` keeps them in order.
        assert floor(other) <= floor(here), (
            f"{path.name} (floor {floor(here)}) imports nas.{other} (floor {floor(other)})"
        )


@pytest.mark.parametrize(("one", "other"), APART)
def test_rooms_that_never_meet(one: str, other: str) -> None:
    for path in FILES:
        if room(path) == one:
            assert other not in imported_rooms(path), f"{path.name} imports nas.{other}"
        if room(path) == other:
            assert one not in imported_rooms(path), f"{path.name} imports nas.{one}"


def test_no_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        graph.setdefault(room(path), set()).update(imported_rooms(path) - {room(path)})
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join([*trail, name])}"
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["latency", "--help"], ["export", "--help"]])
def test_help_loads_neither_torch_nor_ray(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['ghostnas', *{arguments!r}]\n"
        "from nas.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'ray', 'ultralytics', 'optuna', 'onnxruntime', 'openvino'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
