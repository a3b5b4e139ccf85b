"""`ghostnas data preview` as a user runs it, in this process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main

from .conftest import MakeSet

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def preview(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; returns its exit code, and what it wrote to stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ghostnas", "data", "preview", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def test_it_writes_a_png_and_says_what_it_read(make_set: MakeSet, tmp_path: Path, preview: Run) -> None:
    code, out, err = preview("--data", str(make_set()), "--out", str(tmp_path / "sheet.png"), "--n", "4")
    assert code == 0, err
    assert "10 train, 10 select, 8 val pictures" in out
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("labels/val/002.txt", b"9 0.5 0.5 0.1 0.1\n", "002.txt:1: the class must be a whole number from 0 to 2"),
        ("images/val/002.png", b"not a picture", "002.png: it is damaged"),
    ],
)
def test_bad_data_is_one_message_and_exit_code_2(
    file: str, content: bytes, says: str, make_set: MakeSet, tmp_path: Path, preview: Run
) -> None:
    data = make_set()
    (tmp_path / file).write_bytes(content)
    code, out, err = preview("--data", str(data), "--out", str(tmp_path / "sheet.png"))
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert says in err
    assert not (tmp_path / "sheet.png").exists()
