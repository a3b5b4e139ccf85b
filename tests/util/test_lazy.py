"""A package gives at run time the names that type checkers read in it, and loads nothing before one is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import nas

ROOT = Path(nas.__file__).parent
FACES = sorted(path for path in ROOT.rglob("__init__.py") if "lazy(" in path.read_text())


def names(face: Path) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(face.read_text())) if isinstance(node, ast.ImportFrom)]
    package = ".".join(["nas", *face.parent.relative_to(ROOT).parts])
    return [name.name for node in nodes if (node.module or "").startswith(f"{package}.") for name in node.names]


@pytest.mark.parametrize("face", FACES, ids=lambda path: path.parent.name)
def test_every_name_of_a_package_is_there_and_is_no_module(face: Path) -> None:
    package = import_module(".".join(["nas", *face.parent.relative_to(ROOT).parts]))
    assert names(face)
    for name in names(face):
        assert not isinstance(getattr(package, name), ModuleType), name
        assert not (face.parent / f"{name}.py").exists() and not (face.parent / name).is_dir(), name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(package, "nothing")  # noqa: B009


def test_naming_packages_loads_no_heavy_library() -> None:
    packages = ", ".join(".".join(["nas", *face.parent.relative_to(ROOT).parts]) for face in FACES)
    code = f"import sys; import {packages}; sys.exit(bool({{'torch', 'ray', 'optuna', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, check=False).returncode == 0
