"""Bad input ends with one clear message on stderr, exit code 2, no traceback, and nothing lost."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main
from nas.errors import TargetUnreachable, UsageError
from nas.study.settings import SearchSettings
from nas.study.store import StoredStudy
from tests.search.conftest import changed

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def ghostnas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in this process, in an empty folder; returns its exit code and what it wrote to stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ghostnas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


def space_with(folder: Path, old: str, new: str) -> Path:
    """A copy of the default space with one piece of text replaced."""
    from nas.space.space import load_space

    text = load_space("ghostv2-n").source.read_text()
    assert old in text, old
    file = folder / "mine.yaml"
    file.write_text(text.replace(old, new, 1))
    return file


@pytest.mark.parametrize(
    ("asked", "means"), [(None, "cuda:0"), ("cuda", "cuda:0"), ("cuda:01", "cuda:1"), ("cuda:1", "cuda:1")]
)
def test_a_gpu_has_one_name(asked: str | None, means: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from nas.cli.search import _train_device

    tried: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("nas.proxy.check_computes", lambda device: tried.append(str(device)))
    assert _train_device(asked) == means and tried == [means]


def test_a_name_that_no_folder_can_have(ghostnas: Run, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    code, message = ghostnas("search", "--workers", "0", "--name", "x" * 300)
    assert code == 2
    assert "File name too long; choose another folder" in message and "Traceback" not in message


def test_a_search_elsewhere_needs_the_runtime_here_too(
    ghostnas: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nas.latency.measure.LatencyDevice.key", lambda *_: {})
    monkeypatch.setattr("nas.latency.measure.LatencyDevice.run_once", lambda *_: "1.0")
    code, message = ghostnas(
        "search", "--device", "ssh://pi@board", "--runtime", "ncnn", "--precision", "float16", "--workers", "0"
    )
    assert code == 2
    assert "ncnn has float16 arithmetic on ARM" in message and "`ghostnas latency --device` measures without" in message
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("start", ["scratch", "self"])
def test_after_an_unreachable_target_the_name_is_free(
    start: str, ghostnas: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def check(space: object, task: object, **_: object) -> None:
        raise TargetUnreachable("no model meets the limits")

    def trained(*_: object) -> None:
        raise AssertionError("a source is trained for a target that nothing meets")

    monkeypatch.setattr("nas.search.run.check", check)
    monkeypatch.setattr("nas.search.run.tuned_source", trained)
    for target in ("0.1ms", "0.2ms"):
        code, message = ghostnas(
            *("search", "--space", "narrowed-n", "--from", start, "--name", "mine", "--workers", "0"),
            *("--target-latency", target, "--target-stat", "p50"),
        )
        assert code == 2 and "no model meets the limits" in message
        assert not (tmp_path / "results" / "mine").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("dfc_kernel", "dfc_kernal", "did you mean 'dfc_kernel'"),
        ("dfc_kernel: [0, 3, 5, 7]", "dfc_kernel: [0, 4]", "odd"),
        ("neck_width: [16,", "neck_width: [12,", "multiple of 8"),
    ],
)
def test_space_files(ghostnas: Run, tmp_path: Path, old: str, new: str, says: str) -> None:
    file = space_with(tmp_path, old, new)
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if new in text)
    for command in (["space", "validate", file], ["search", "--space", file]):
        code, message = ghostnas(*command)
        assert code == 2
        assert says in message and f"mine.yaml:{line}" in message
        assert "Traceback" not in message


@pytest.mark.parametrize(
    "command",
    [
        ["status", "no-such-run"],
        ["export", "no-such-run", "--to", "bundle"],
        ["train", "no-such-run"],
        ["dashboard", "no-such-run"],
        ["latency", "no-such-model.yaml"],
        ["space", "show", "no-such-space"],
        ["data", "preview", "--data", "no-such-data.yaml"],
    ],
)
def test_missing_things(ghostnas: Run, command: list[str]) -> None:
    code, message = ghostnas(*command)
    assert code == 2
    assert "no-such" in message and "Traceback" not in message


def test_a_results_folder_that_cannot_be_written(ghostnas: Run, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    code, message = ghostnas("search", "--workers", "0", "--budget", "1")
    assert code == 2
    assert "cannot write" in message and "Traceback" not in message


def test_no_free_disk_for_the_cache(ghostnas: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("nas.util.paths.shutil.disk_usage", lambda path: usage._replace(free=1000))
    code, message = ghostnas("search", "--workers", "0", "--budget", "1")
    assert code == 2
    assert "GHOSTNAS_CACHE" in message and "free" in message


def test_a_name_of_another_search(ghostnas: Run, tmp_path: Path) -> None:

    from nas.data import load
    from nas.latency import LatencySettings
    from nas.proxy import ProxySettings
    from nas.search.request import Request, search_settings
    from nas.space.space import load_space
    from nas.study.limits import Limits

    space, data = load_space("ghostv2-n"), load(None)
    request = Request(
        space=space,
        data=None,
        fraction=1.0,
        budget=1,
        limits=Limits(2.5),
        latency=LatencySettings(),
        proxy=ProxySettings(),
        epochs=None,
        sampler="gp",
        seed_literals=False,
        finalist_seeds=3,
        workers=0,
        max_seconds=None,
        name="mine",
        out=tmp_path,
    )
    settings: SearchSettings = search_settings(request, data)
    StoredStudy(tmp_path / "results" / "mine", changed(settings, target_ms=9.0), {}).close()
    code, message = ghostnas("search", "--space", "ghostv2-n", "--workers", "0", "--budget", "1", "--name", "mine")
    assert code == 2
    assert "target_ms: 9.0 there, 2.5 asked" in message and "space" not in message.split("(")[1].split(")")[0]


def test_a_corrupt_study(ghostnas: Run, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    (folder / "study.db").write_bytes(b"rubbish")
    code, message = ghostnas("search", "--workers", "0", "--budget", "1", "--name", "mine")
    assert code == 2
    assert "kept aside" in message
    assert [path.read_bytes() for path in folder.glob("study.db.corrupt-*")] == [b"rubbish"]


def test_a_runtime_that_is_not_installed(ghostnas: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The agent is a process of its own, and is told by its start-up file that there is no openvino.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['openvino'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, message = ghostnas("search", "--workers", "0", "--budget", "1", "--runtime", "openvino")
    assert code == 2
    assert "pip install openvino" in message and "Traceback" not in message
    assert not (tmp_path / "results").exists()


def test_ncnn_is_refused_for_heads_without_nms_before_anything_is_measured() -> None:
    from types import SimpleNamespace

    from nas.search.preflight import check_heads
    from nas.space.space import load_space

    def asked(runtime: str, space: str) -> tuple[object, object]:
        return SimpleNamespace(latency=SimpleNamespace(runtime=runtime)), load_space(space)

    with pytest.raises(UsageError, match="ncnn cannot run the heads without NMS of mixed-n"):
        check_heads(*asked("ncnn", "mixed-n"))  # type: ignore[arg-type]
    check_heads(*asked("ncnn", "ghostv2-n"))  # type: ignore[arg-type]
    check_heads(*asked("onnxruntime", "mixed-n"))  # type: ignore[arg-type]
