"""The agent as one file: a zip of the modules of ghostnas that it needs, and how a device's Python is made to run it.

Which modules those are is read off the imports, those inside functions included, so nothing has to be listed by hand;
beside them go the blocks, which are imported by name.
The bytes are the same on every machine for the same sources, and a device keeps them by digest.
"""

import ast
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nas
from nas.blocks import REGISTERED

PYTHON = (3, 11)
"""The oldest Python that can run the agent."""

_ROOT = Path(nas.__file__).parent
_EPOCH = (1980, 1, 1, 0, 0, 0)
_AGENT = "nas.latency.agent.server"
_RUNTIMES = "latency/runtimes/*.py"

_TOO_OLD = (
    "the device's Python at %s is %d.%d; ghostnas needs {}.{} or newer there; name another with "
    "?python=/path/to/python in the address"
).format(*PYTHON)

START = (
    "import json, sys; v = sys.version_info; "
    f"v[:2] < {PYTHON} and (sys.stdout.write(json.dumps(dict(kind='LatencyError', "
    f'error="{_TOO_OLD}" % (sys.executable, v[0], v[1]))) + chr(10)), sys.exit()); '
    "i = sys.stdin.buffer; exec(i.read(int(i.readline())))"
)
"""What the device's Python is given to run with -c: a constant, in the words that every Python since 2.6 reads. It
checks the version and runs the text that follows on standard input, after a line with its length in bytes."""


@dataclass(frozen=True, slots=True)
class Package:
    """The agent's modules in one zip."""

    digest: str
    data: bytes = field(repr=False)

    def greeting(self) -> bytes:
        """What `START` reads from standard input: the launcher, and the package's name and size."""
        launcher = Path(__file__).with_name("launcher.py").read_bytes()
        header = json.dumps({"digest": self.digest, "size": len(self.data)}).encode()
        return b"%d\n%s%s\n" % (len(launcher), launcher, header)


@cache
def agent_package() -> Package:
    """The agent and every module of ghostnas that it may import."""
    buffer = io.BytesIO()
    # Stored, not compressed: another version of zlib would make other bytes of the same sources.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in modules():
            name = path.relative_to(_ROOT.parent).as_posix()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
    data = buffer.getvalue()
    return Package(hashlib.sha256(data).hexdigest(), data)


def modules() -> list[Path]:
    """The files of the agent's modules, sorted."""
    # A checkpoint names the modules of its blocks, and `nas.model.builder.register` imports them by name.
    waiting = [_AGENT, *(f"nas.latency.runtimes.{path.stem}" for path in _ROOT.glob(_RUNTIMES)), *REGISTERED.values()]
    found: set[Path] = set()
    while waiting:
        path = _file(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += _imports(path)
    return sorted(found)


def _file(module: str) -> Path | None:
    """The file of a module of ghostnas; None for what is a name inside a module."""
    path = _ROOT.parent.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """Modules of ghostnas that a file imports when it runs, and the packages that they lie in."""
    for node in _run(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            homes = _homes(node.module)
            names = [node.module, *(homes.get(alias.name, f"{node.module}.{alias.name}") for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == nas.__name__:
                yield from (".".join(parts[: index + 1]) for index in range(len(parts)))


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """What is below a node, but for what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if not _for_type_checkers(child):
            yield child
            yield from _run(child)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def _homes(package: str) -> dict[str, str]:
    """Of the names that a package imports on first use (`nas/util/lazy.py`), the module that each is in."""
    path = _file(package)
    if path is None or path.name != "__init__.py" or not package.startswith(f"{nas.__name__}."):
        return {}
    listed = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if _for_type_checkers(node)]
    imports = [node for block in listed for node in ast.walk(block) if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
