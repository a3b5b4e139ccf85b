"""`ghostnas data preview` as a user runs it."""

import subprocess
import sys
from pathlib import Path

from .conftest import MakeSet


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "nas", "data", "preview", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_writes_a_png_and_says_what_it_read(make_set: MakeSet, tmp_path: Path) -> None:
    done = run("--data", str(make_set()), "--out", str(tmp_path / "sheet.png"), "--n", "4")
    assert done.returncode == 0, done.stderr
    assert "10 train, 10 select, 8 val pictures" in done.stdout
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_bad_data_is_one_message_and_exit_code_2(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    (tmp_path / "labels" / "val" / "002.txt").write_text("9 0.5 0.5 0.1 0.1\n")
    done = run("--data", str(data), "--out", str(tmp_path / "sheet.png"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "002.txt:1: the class must be a whole number from 0 to 2" in done.stderr
    assert not (tmp_path / "sheet.png").exists()


def test_a_damaged_picture_of_val_is_one_message_and_exit_code_2(make_set: MakeSet, tmp_path: Path) -> None:
    data = make_set()
    (tmp_path / "images" / "val" / "002.png").write_bytes(b"not a picture")
    done = run("--data", str(data), "--out", str(tmp_path / "sheet.png"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "002.png: it is damaged" in done.stderr and not done.stdout
