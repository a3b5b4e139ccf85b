"""What launchers, notebooks, clusters and containers put around a process changes nothing, or is told in one line."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from nas.errors import StorageError
from nas.results.plot import check_drawing
from nas.search.executors import ray_tune
from nas.util import environment, ultralytics_env
from nas.util.paths import cache_dir

ROOT = Path(__file__).parents[2]
GHOSTNAS = f"{sys.executable} {ROOT / 'ghostnas.py'}"
NO_RUN = (
    "ghostnas: there is no run 'a-run' under results. there are no runs under results yet; start one with: "
    "ghostnas search --target-latency 2.5ms\n"
)


def shell(line: str, folder: Path, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in a folder; variables that are None are unset."""
    given = {**os.environ, **variables}
    told = {name: value for name, value in given.items() if value is not None and name != "PYTEST_CURRENT_TEST"}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=told, capture_output=True, text=True, timeout=100)


# What stands around `ghostnas`, the exit code, and what standard error holds: nothing, or one line.
STREAMS = [
    ("{} --version > /dev/full", 2, "standard output cannot be written: No space left on device"),
    ("{} --help | head -1; exit ${{PIPESTATUS[0]}}", 0, ""),
    ("{} --version >&-", 0, ""),
    ("{} --version <&- >&- 2>&-", 0, ""),
    ("{} status a-run 2> /dev/full", 2, ""),
    ("mkdir gone && cd gone && rmdir ../gone && {} status", 2, "the current folder cannot be used"),
]


@pytest.mark.parametrize(("line", "code", "says"), STREAMS)
def test_streams_and_folders(line: str, code: int, says: str, tmp_path: Path) -> None:
    done = shell(line.format(GHOSTNAS), tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and done.stderr.count("\n") == bool(says)


def test_a_closed_output_is_not_taken_for_a_file(tmp_path: Path) -> None:
    code = (
        "import os; from nas.util import streams; streams.sound(); "
        "at = os.open('file', os.O_CREAT | os.O_WRONLY); assert at > 2, at; "
        "print('printed', flush=True); os.write(1, b'by a library')"
    )
    done = shell(f'{sys.executable} -c "{code}" >&-', tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_bytes() == b""


# Variables that must change nothing: the same code and the same line as without them.
VARIABLES: dict[str, Mapping[str, str | None]] = {
    "a notebook's, a cluster's and a Ray job's": {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONSAFEPATH": "1",
        "TERM": "dumb",
        "COLUMNS": "abc",
        "LINES": "-1",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "abc",
        "NUMEXPR_MAX_THREADS": "many",
        "SLURM_JOB_ID": "7",
        "RANK": "x",
        "WORLD_SIZE": "2",
        "RAY_ADDRESS": "auto",
        "RAY_JOB_CONFIG_JSON_ENV_VAR": "{",
        "TMPDIR": "/nowhere",
    },
    "no language": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": None, "HOME": None},
    "an output of ASCII, one column wide": {"PYTHONIOENCODING": "ascii:strict", "COLUMNS": "1"},
    "a strict Python": {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"},
    "modules of the same names": {"PYTHONPATH": "theirs"},
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_change_nothing(name: str, tmp_path: Path) -> None:
    for module in ("nas", "thop", "typer", "rich", "ray", "yaml"):
        (tmp_path / "theirs" / module).mkdir(parents=True)
        (tmp_path / "theirs" / module / "__init__.py").write_text("raise RuntimeError('another module')")
    done = shell(f"{GHOSTNAS} status a-run; echo $?", tmp_path, **VARIABLES[name])
    assert (done.stdout, done.stderr) == ("2\n", NO_RUN)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["data preview --out p.png", "search --workers 0 --out r"])
def test_a_python_without_assertions_reads_no_data(command: str, tmp_path: Path) -> None:
    """Ultralytics' checks of pictures and labels are assertions."""
    done = shell(f"{GHOSTNAS} {command}", tmp_path, PYTHONOPTIMIZE="1")
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert done.stderr.startswith("ghostnas: Python runs without assertions") and done.stderr.count("\n") == 1


def test_what_libraries_are_told_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GHOSTNAS_CACHE", "cache")
    for name in ("MPLBACKEND", "YOLO_CONFIG_DIR", "MPLCONFIGDIR", "YOLO_OFFLINE", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "theirs")
    ultralytics_env.prepare()
    assert os.environ["MPLBACKEND"] == "agg" and os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["YOLO_CONFIG_DIR"] == str(tmp_path / "cache" / "ultralytics")
    assert os.environ["GHOSTNAS_CACHE"] == str(tmp_path / "cache")  # for children in other folders
    assert os.environ["YOLO_OFFLINE"] == "theirs"  # asked for: docs/guides/export.md


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_CACHE_HOME": "/a/b"}, "/a/b/ghostnas"),
        ({"XDG_CACHE_HOME": "rel/ative", "HOME": "/h\u00f6me"}, "/h\u00f6me/.cache/ghostnas"),
        ({"XDG_CACHE_HOME": "", "HOME": "/a %2F"}, "/a %2F/.cache/ghostnas"),
        ({"GHOSTNAS_CACHE": "~/x", "HOME": "/h\udcff"}, "/h\udcff/x"),
    ],
)
def test_where_the_cache_lies(variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GHOSTNAS_CACHE")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(folder)


@pytest.mark.parametrize("cache", [None, "~nosuchuser/x"])
def test_a_home_that_is_not_known_is_told(cache: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GHOSTNAS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if cache is not None:
        monkeypatch.setenv("GHOSTNAS_CACHE", cache)
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))
    with pytest.raises(StorageError, match="set GHOSTNAS_CACHE to a folder"):
        cache_dir()


def test_ray_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"RAY_ADDRESS": "auto", "RAY_RUNTIME_ENV_HOOK": "x", "TUNE_RESULT_DIR": "/x", "OMP_NUM_THREADS": "16"}
    for name, value in {**theirs, "RAY_memory_monitor_refresh_ms": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "1"}.items():
        monkeypatch.setenv(name, value)
    with ray_tune.worker_environment():
        inside = dict(os.environ)
    assert not {"RAY_ADDRESS", "RAY_RUNTIME_ENV_HOOK", "TUNE_RESULT_DIR"} & inside.keys()
    assert inside["OMP_NUM_THREADS"] == "1" and inside["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"
    assert inside["RAY_memory_monitor_refresh_ms"] == "0"  # the user's to say
    assert len(inside["RAY_AUTH_TOKEN"]) == 64 and "RAY_AUTH_TOKEN" not in os.environ
    assert {name: os.environ[name] for name in theirs} == theirs


def test_installed_modules_come_before_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = list(dict.fromkeys(entry for entry in sys.path if entry))  # earlier tests may have put them in another order
    library = own.index(sysconfig.get_path("stdlib"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *own[library:], *own[:library]])
    environment.settle()
    assert sys.path.index(str(tmp_path)) > max(at for at, one in enumerate(sys.path) if "site-packages" in one)
    first, *others = environment.module_path().split(os.pathsep)
    assert first == str(ROOT) and str(tmp_path) in others


def test_the_picture_is_of_nobodys_style(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)  # of a matplotlibrc, where there is no LaTeX
    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["no such font"])
    check_drawing.__wrapped__()
    assert matplotlib.rcParams["text.usetex"]
