"""Tables of the command line: at every width all of a name and all of a figure is there, and a pipe has no width."""

import io
import random
import re
from pathlib import Path

import pytest
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

import nas.cli
from nas.cli.columns import Row, columns, mark, show_table

SHAPE = columns("model", figures=("imgsz", "latency", "95% interval", "ratio", "95% interval")) + columns("")
LONG = "results/2026-11-29-bccd-ghostv2-n-2.5ms-screening-again/trials"
NAMES = (
    f"{LONG}/trial-{17}.yaml",
    f"{LONG}/trial-{18}.yaml",
    "a.onnx",
    "m[1].onnx",
    "[bold]b.onnx",
    "日本語/モデル.onnx",
)


def rows(names: tuple[str, ...] = NAMES) -> list[Row]:
    rng = random.Random(0)
    found: list[Row] = []
    for name in names:
        ms = rng.uniform(0.001, 2000)
        interval = f"{ms * 0.97:.3f} to {ms * 1.03:.3f}"
        figures = [str(rng.choice([32, 640, 8192])), f"{ms:.3f} ms", interval, f"{rng.random():.3f}x", "0.900 to 0.950"]
        found.append([name, *figures, "outside: 12% is work beyond what was measured"])
    return found


def printed(width: int, shown: list[Row], *, terminal: bool = True, **look: object) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None, highlight=False)
    show_table(console, SHAPE, shown, **look)
    return file.getvalue()


def texts(output: str) -> list[str]:
    """The text of each cell of the first column with the pieces that it was broken into put together; or the lines."""
    lines = output.splitlines()
    if "│" not in output:
        return [line.strip() for line in lines]
    found, body = [], [line.split("│")[1:-1] for line in lines if line.startswith("│")]
    for cells in body:
        if cells[1].strip():  # the figures stand in the first line of a row
            found.append("")
        found[-1] += cells[0].strip()
    return found


@pytest.mark.parametrize("width", [*range(20, 120), 140, 160, 200])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    shown = rows()
    output = printed(width, shown)
    lines = output.splitlines()
    assert "…" not in output
    for name, *figures, _ in filter(None, shown):
        assert re.sub(r"\s", "", str(name)) in [re.sub(r"\s", "", text) for text in texts(output)]
        for figure in map(str, figures):
            assert any(re.search(rf"(^| |│){re.escape(figure)}( |│|$)", line) for line in lines)
    # Only a text that stands on lines of its own may be longer than the terminal, which breaks it.
    longer = [line for line in lines if cell_len(line) > width]
    assert all(" to " not in line and "│" not in line for line in longer)


@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_a_pipe_has_no_width(width: int) -> None:
    output = printed(width, rows(), terminal=False)
    body = [line for line in output.splitlines() if line.startswith("│")]
    assert len(body) == len(NAMES)
    assert all(name in line for name, line in zip(NAMES, body, strict=True))


def test_a_table_that_fits_is_no_wider_than_it_needs() -> None:
    output = printed(200, rows(("a.onnx",)))
    assert output.startswith("┏") and max(map(len, output.splitlines())) < 140


@pytest.mark.parametrize("width", [20, 60, 200])
def test_sections_short_rows_titles_and_looks(width: int) -> None:
    shown: list[Row] = [["front"], None, ["b", "1"]]
    output = printed(width, shown, title=Text("here"), box=box.MARKDOWN)
    assert "here" in output and "front" in output and "b" in output


def test_marks_and_what_no_terminal_shows() -> None:
    assert [mark(works).plain for works in (True, False, None)] == ["ok", "fails", "-"]
    output = printed(200, [["a\udcffb\n.onnx", "1"], ["a\udcfeb.onnx", "2"]])
    assert r"a\xffb\n.onnx" in output and r"a\xfeb.onnx" in output
    output.encode("utf-8")


def test_every_table_of_the_command_line_is_one_of_these() -> None:
    files = Path(nas.cli.__file__).parent.glob("*.py")
    assert [path.name for path in files if "rich.table" in path.read_text(encoding="utf-8")] == ["columns.py"]
