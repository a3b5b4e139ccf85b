"""Checkpoints load without running code of theirs: what is known is made, all else is refused unless it is trusted."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nas.blocks import MODULE_NAME, REGISTERED
from nas.cli import main
from nas.errors import ModelError
from nas.model import build, load_file, load_model, register, save_checkpoint
from nas.space import shipped_literals
from nas.util.checkpoint_trust import trust_checkpoints, trusted
from tests.cli.bad.checkpoints import RunsCode, Unknown, saved


@pytest.fixture(autouse=True)
def untrusted_afterwards() -> Iterator[None]:
    yield
    trust_checkpoints(False)
    register()


def _literals_with_every_block() -> list[Path]:
    """A few of the shipped designs in which, together, as many of our blocks stand as in all."""
    left, chosen = set(REGISTERED), []
    for literal in shipped_literals().values():
        words = set(literal.path.read_text(encoding="utf-8").replace(",", " ").replace("[", " ").split())
        if left & words and literal.path.stem.endswith(("-n", "x")):
            chosen.append(literal.path)
            left -= words
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize("path", _literals_with_every_block(), ids=lambda path: path.stem)
def test_a_checkpoint_of_ours_loads(path: Path, tmp_path: Path) -> None:
    model = build(path.read_text(encoding="utf-8"), nc=2, seed=0)
    save_checkpoint(tmp_path / "ours.pt", model, {"task": "detect", "imgsz": 64})
    found = load_model(tmp_path / "ours.pt")
    assert found.state_dict().keys() == model.state_dict().keys()
    torch.save({"model": model}, tmp_path / "plain.pt")  # names the blocks as modules of ghostnas
    assert load_model(tmp_path / "plain.pt").state_dict().keys() == model.state_dict().keys()


def test_every_block_is_known_under_both_of_its_names() -> None:
    register()
    known = {name for _, name in (one for one in torch.serialization.get_safe_globals() if isinstance(one, tuple))}
    for name, module in REGISTERED.items():
        assert {f"{module}.{name}", f"{MODULE_NAME}.{name}"} <= known


def test_a_published_checkpoint_loads() -> None:
    weights = Path(__file__).parents[3] / "shared" / "weights" / "yolo11n.pt"
    if not weights.is_file():
        pytest.skip(f"the published weights are not here ({weights})")
    assert load_model(weights).yaml["nc"] == 80


def test_what_needs_more_is_refused_by_name_and_loads_where_it_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(saved({"model": Unknown()}))
    with pytest.raises(ModelError, match=rf"mine\.pt needs {__package__.split('.')[0]}\S+\.Unknown, .* add --trust"):
        load_file(path)
    trust_checkpoints(True)
    assert isinstance(load_file(path)["model"], Unknown)
    trust_checkpoints(False)
    with pytest.raises(ModelError, match="add --trust"):
        load_file(path)


def test_a_trusted_file_may_name_a_module_that_is_not_here(tmp_path: Path) -> None:
    code = (
        "import sys, types, torch; made = types.ModuleType('gone'); sys.modules['gone'] = made\n"
        "exec('import torch\\nclass Layer(torch.nn.Module): pass', made.__dict__)\n"
        f"torch.save({{'model': made.Layer()}}, {str(tmp_path / 'gone.pt')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with pytest.raises(ModelError, match=r"needs gone\.Layer"):
        load_file(tmp_path / "gone.pt")
    trust_checkpoints(True)
    with pytest.raises(ModelError, match="Python module 'gone', which is not importable here"):
        load_file(tmp_path / "gone.pt")


def test_the_option_trusts_for_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pt").write_bytes(saved({"model": RunsCode(os.mkdir, "ran")}))
    words = ["ghostnas", "inherit", "bad.pt", "yolo11-n", "--out", "start.pt"]
    for more, runs, says in (([], False, "--trust"), (["--trust"], True, "holds no model"), ([], False, "--trust")):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr().err
        assert end.value.code == 2 and says in told and told.count("\n") == 1
        assert (tmp_path / "ran").exists() == runs
        if runs:
            (tmp_path / "ran").rmdir()


@pytest.mark.slow
def test_other_processes_know_whether_checkpoints_are_trusted() -> None:
    ask = "import nas.model; from nas.model.builder import register, tasks; register(); print(tasks.SAFE_LOAD)"
    for trust in (False, True):
        trust_checkpoints(trust)
        assert trusted() == trust
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=120)
        assert told.stdout.strip() == str(not trust)


def test_a_model_yaml_evaluates_nothing_even_where_checkpoints_are_trusted(tmp_path: Path) -> None:
    trust_checkpoints(True)
    rows = "nc: 2\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n  - [[0], 1, Detect, [nc]]\n"
    with pytest.raises(ModelError, match="unsupported activation"):
        build(f"{rows}activation: open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert not (tmp_path / "ran").exists()
