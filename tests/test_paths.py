"""Any path that the file system allows: one that is drawn at random is written, read and shown as any other."""

import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from nas.cli import main
from nas.cli.search_progress import ConsoleReporter
from nas.data import load
from nas.data.findings import Findings
from nas.errors import DataError, StorageError
from nas.model.builder import load_model
from nas.results.dashboard import server
from nas.results.designs import find_design
from nas.results.folder import find_run, list_runs
from nas.results.gain_sentences import next_commands
from nas.results.trial_notes import annotate
from nas.results.writable import check_results
from nas.results.writer import write
from nas.search.conclude import conclude
from nas.search.evaluate import Task
from nas.search.executors import inline, ray_tune
from nas.search.executors.scratch import own_folder
from nas.search.proposals import Proposer
from nas.search.scheduler import TrialScheduler
from nas.space.reference_designs import yolo11
from nas.space.space import SearchSpace
from nas.study.outcome import Outcome
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy, read_records
from nas.study.study_file import StudyFile
from nas.util.paths import cache_dir, cache_subdir, writable_dir
from nas.util.plain_path import plainly
from nas.util.printable import printable, shell_line, shell_word
from nas.util.provenance import host_machine, versions
from nas.util.worker_messages import follow, post
from tests.data.conftest import MakeSet, make_set  # noqa: F401
from tests.odd_paths import PIECES, drawn, unfit_for_pictures
from tests.search.conftest import by_formula, changed, formula, settings, sizes, space, task  # noqa: F401
from tests.search.test_conclude import slower

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray and Matplotlib

ALL_AT_ONCE = "".join(piece.replace("/", "") for piece in PIECES)
KNOWN = ["%2F %20", "?{x}#", "a\nb\udcff", "-x", "file:a?mode=ro", ALL_AT_ONCE[:90], ALL_AT_ONCE[90:]]
"""What went wrong once, and every piece."""


def names(fast: int, slow: int = 0, **how: Any) -> list[Any]:
    """Names to try: the known ones and some that are drawn, a few of them in the fast tests."""
    tried = [pytest.param(drawn(seed, **how), id=f"drawn-{seed}") for seed in range(fast)]
    tried += [
        pytest.param(drawn(seed, **how), id=f"drawn-{seed}", marks=pytest.mark.slow) for seed in range(fast, slow)
    ]
    return [*(pytest.param(name, id=ascii(name)) for name in KNOWN), *tried]


@pytest.fixture
def begun(settings: SearchSettings, sizes: dict[str, int]) -> Callable[[Path], StoredStudy]:  # noqa: F811
    return lambda folder: StoredStudy(folder, settings, sizes, annotate)


@pytest.fixture
def ghostnas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command in this process; returns its exit code and all that it wrote, which is UTF-8."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ghostnas", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        told = "".join(capsys.readouterr())
        told.encode()
        return int(end.value.code or 0), told

    return run


def tree(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", names(2, 30))
def test_a_study_lies_where_it_was_asked_for(
    name: str,
    tmp_path: Path,
    begun: Callable[[Path], StoredStudy],
    task: Task,  # noqa: F811
) -> None:
    folder = tmp_path / name / "run"
    study, design = begun(folder), yolo11("n", 96)
    study.finish(study.start({}, design.key, "random"), formula(design, task))
    kept = study.records()
    assert StudyFile(folder).in_use()
    study.close()
    assert {path.name for path in folder.iterdir()} == {"study.db", ".lock"}
    assert set(tmp_path.iterdir()) == {tmp_path / name}
    assert read_records(folder)[1] == kept and not StudyFile(folder).in_use()
    again = begun(folder)
    assert again.records() == kept
    again.close()


@pytest.mark.parametrize(
    "name",
    [
        "-%2F a\n\udcff$x_{",
        *(pytest.param(drawn(seed), id=f"drawn-{seed}", marks=pytest.mark.slow) for seed in range(8)),
        *(pytest.param(name, marks=pytest.mark.slow) for name in KNOWN),
    ],
    ids=ascii,
)
def test_a_finished_search_is_written_listed_and_taken_home(
    name: str,
    tmp_path: Path,
    begun: Callable[[Path], StoredStudy],
    space: SearchSpace,  # noqa: F811
    task: Task,  # noqa: F811
    settings: SearchSettings,  # noqa: F811
    ghostnas: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nas.search.conclude.remeasure", slower(1.0))
    folder = Path("results") / name
    study = begun(folder)
    baselines = {"yolo11n": yolo11("n", 160)}
    inline.run(
        TrialScheduler(
            study, Proposer(space, sampler="random", seed=0, limits=study.limits), budget=2, baselines=baselines
        ),
        task,
        formula,
    )
    front, ends, _ = conclude(study, task)
    outcome = Outcome(
        folder=folder,
        settings=changed(settings, data=name),
        budget=3,
        records=study.records(),
        baseline_records=study.baselines(),
        repeats={},
        begun={"device": "a", "runtime": "b", "arithmetic": "c", "machine": host_machine(), "versions": versions()},
        front=front,
        baselines=ends,
        fastest_ms=0.5,
        slowest_ms=9.0,
        ended="budget",
        seconds=1.0,
        data_sizes={},
        protocol={},
        data_yaml=name,
        data_file=name,
        class_names=tuple("abcdef"),
        findings=Findings(),
    )
    write(outcome)
    study.close()
    assert (folder / "report.md").read_text(encoding="utf-8").startswith(f"# {printable(name)}\n")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["data_yaml"] == name
    assert (folder / "front.png").stat().st_size > 10_000
    text = io.StringIO()
    ConsoleReporter(Console(file=text, width=80, soft_wrap=True)).concluded(outcome)
    text.getvalue().encode()

    assert [run.name for run in list_runs(Path("results"))] == [name] and find_run(name).name == name
    code, told = ghostnas("status")
    assert code == 0 and told.splitlines()[0] == printable(name)
    for command in next_commands(outcome):
        run = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True).stdout.split(b"\0")[2]
        assert find_run(run.decode("utf-8", "surrogateescape")).resolve() == folder.resolve()
    code, told = ghostnas("export", folder, "--to", Path("bundle") / name)
    assert code == 0, told
    assert (Path("bundle") / name / "model.yaml").is_file()
    assert find_design(str(folder / "best.yaml")).run == folder.absolute()
    with server(folder, "127.0.0.1", 0):
        pass
    code, told = ghostnas("export", "--out", folder, "nothing", "--to", "there")
    assert code == 2 and told.count("\n") == 1


@pytest.mark.parametrize("name", names(8))
def test_a_cache_folder_and_what_lies_in_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_CACHE", str(tmp_path / name))
    assert cache_dir() == tmp_path / name and cache_subdir("latency", 1).parent == tmp_path / name
    assert str(ray_tune.home()).isascii() and len(str(ray_tune.home())) <= 36
    with own_folder(cache_dir() / "latency") as one, own_folder(cache_dir() / "latency") as other:
        assert one != other and {one.parent, other.parent} == {tmp_path / name / "latency"}
    said: list[str] = []
    with follow(cache_dir(), said.append, every_s=0.01):
        post(cache_dir(), f"waits in {name}")
    assert len(said) == 1 and set(tree(tmp_path / name)) == {"latency", "latency/.lock"}


@pytest.mark.parametrize("name", names(8, 40, pictures=True))
def test_data_in_such_a_folder(name: str, make_set: MakeSet, tmp_path: Path) -> None:  # noqa: F811
    file = make_set(pictures=6)
    (tmp_path / name).mkdir()
    for part in ("images", "labels", "data.yaml"):
        (tmp_path / part).rename(tmp_path / name / part)
    try:
        data = load(str(tmp_path / name / file.name))
    except DataError as refused:
        assert unfit_for_pictures(name), refused
        return
    assert data.train.objects and data.val.images[0].parent.parent.parent == tmp_path / name


@pytest.mark.parametrize("name", names(8))
def test_a_word_comes_back_from_a_shell(name: str) -> None:
    line = shell_line(["printf", "%s", name])
    assert printable(line) == line
    line.encode()
    told = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert told.decode("utf-8", "surrogateescape") == name
    assert shell_word("plain-1.yaml") == "plain-1.yaml" and shlex.split(shell_word("a b")) == ["a b"]


def test_a_path_that_sqlite_cannot_open_is_refused_before_anything_is_written(
    tmp_path: Path, begun: Callable[[Path], StoredStudy]
) -> None:
    folder = tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200)
    with pytest.raises(StorageError, match="bytes too long: SQLite opens none of more than 504"):
        begun(folder)
    assert not list(tmp_path.iterdir())
    longest = tmp_path / ("x" * 200) / ("y" * 200)
    study = begun(longest / ("z" * (504 - len(str(longest)) - len("//study.db.part"))))
    study.close()


@pytest.mark.parametrize("place", ["a/b/" + "x" * 256, "a/file/c"])
def test_nothing_is_left_of_a_folder_that_cannot_be_made(place: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    with pytest.raises(StorageError, match="cannot write in"):
        writable_dir(tmp_path / place)
    assert set(tree(tmp_path)) == {"a", "a/file"}


def test_a_yaml_of_any_name_is_taken_home(
    tmp_path: Path,
    ghostnas: Callable[..., tuple[int, str]],
    space: SearchSpace,  # noqa: F811
) -> None:
    from nas.architecture.ultralytics_yaml import to_yaml

    file = tmp_path / "a\n%\udcff{x}.yaml"
    file.write_text(to_yaml(space.smallest()[0], 3))
    code, told = ghostnas("export", file, "--to", tmp_path / "b\udcff")
    assert code == 0 and r"a\n%\xff{x} -> " in told
    assert load_model(file).yaml["nc"] == 3
    with plainly(file) as plain, plainly(plain) as same:
        assert plain.samefile(file) and plain.name == "model.yaml" and same == plain
    assert yaml.safe_load((tmp_path / "b\udcff" / "model.yaml").read_text())["nc"] == 3
    assert "# a\\n%\\xff{x}: a lightweight" in (tmp_path / "b\udcff" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a/b", "..", ".", "/tmp/x", "sub/", ""])
def test_a_name_is_the_name_of_one_folder(name: str, ghostnas: Callable[..., tuple[int, str]]) -> None:
    code, told = ghostnas("search", "--workers", "0", "--name", name)
    assert code == 2 and told.count("\n") == 1 and "--name must be the name of one folder" in told


@pytest.mark.parametrize(
    ("place", "make", "says"),
    [
        ("front.png", Path.mkdir, "is no file, and a search writes one there"),
        ("report.md", lambda path: path.symlink_to("/dev/full"), "is no file"),
        ("front", Path.touch, "is no folder, and a search writes one there"),
        ("models", lambda path: path.symlink_to("/nowhere"), "is no folder"),
    ],
)
def test_what_is_written_in_the_end_is_looked_at_first(
    place: str, make: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    check_results(tmp_path / "new")
    make(tmp_path / place)
    with pytest.raises(StorageError, match=says):
        check_results(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [place]
