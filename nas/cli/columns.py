"""Tables of the command line: nothing is ever cut, and no figure is broken, however narrow the terminal is.

A table that fits is printed as one. In a narrower terminal long texts are broken over lines, never shortened, so that
two names never look alike. In a very narrow one each row becomes a few lines. Where the output is no terminal, it has
no width, and every row is one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nas.util.printable import printable

Cell = str | Text
Row = Sequence[Cell] | None
"""One cell a column, or fewer; None draws a line between rows."""

_NARROWEST = 12
"""A text that would have to be broken into pieces shorter than this stands on lines of its own instead."""

_ENDLESS = 10**6


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, and whether it holds figures: to the right, and on one line."""

    name: str
    figures: bool = False


def columns(*texts: str, figures: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of texts, and after them columns of figures."""
    return (*map(Column, texts), *(Column(name, figures=True) for name in figures))


def mark(works: bool | None) -> Text:
    """`ok` or `fails` in colour; `-` for what is not there and not needed."""
    if works is None:
        return Text("-")
    return Text("ok", "green") if works else Text("fails", "red")


def show_table(console: Console, shape: Sequence[Column], rows: Sequence[Row], **look: Any) -> None:
    """Print a table.

    Args:
        console: Where to.
        shape: The columns.
        rows: The rows; a `str` is printed as it is, without markup.
        look: What rich's `Table` takes: `box`, `title`, `padding`.
    """
    full = [None if row is None else _padded(row, len(shape)) for row in rows]
    cells = [row for row in full if row is not None]
    natural = [max([len(column.name), *(_width(row[index]) for row in cells)]) for index, column in enumerate(shape)]
    widths: list[int] | None = natural
    if console.is_terminal:
        frame = _measured(console, _table(shape, full, natural, look)) - sum(natural)
        widths = _fitting(shape, natural, console.width - frame)
    if widths is None:
        _print_records(console, shape, cells, look.get("title"))
        return
    table = _table(shape, full, widths, look)
    table.width = _measured(console, table)
    console.print(table, crop=False, soft_wrap=False)


def _fitting(shape: Sequence[Column], natural: Sequence[int], room: int) -> list[int] | None:
    """Widths that fit, figures whole and texts broken where they must be; None where that is too narrow."""
    widths = list(natural)
    texts = [index for index, column in enumerate(shape) if not column.figures]
    while sum(widths) > room:
        # The widest text gives way first.
        widest = max(texts, key=lambda index: widths[index], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            return None
        widths[widest] -= 1
    return widths


def _padded(row: Sequence[Cell], count: int) -> list[Text]:
    cells = [cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row]
    return cells + [Text("")] * (count - len(cells))


def _width(cell: Text) -> int:
    return max((line.cell_len for line in cell.split("\n")), default=0)


def _table(shape: Sequence[Column], rows: Sequence[list[Text] | None], widths: Sequence[int], look: Any) -> Table:
    table = Table(**look)
    for column, width in zip(shape, widths, strict=True):
        table.add_column(
            Text(column.name),
            justify="right" if column.figures else "left",
            width=width,
            no_wrap=column.figures,
            overflow="fold",
        )
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*row)
    return table


def _measured(console: Console, table: Table) -> int:
    options = console.options.update(max_width=_ENDLESS)
    return console.measure(table, options=options).maximum


def _print_records(console: Console, shape: Sequence[Column], rows: Sequence[list[Text]], title: Any) -> None:
    """Each row as lines: its first cell, then every other one with its column's name."""
    if title:
        console.print(title, soft_wrap=True)
    for row in rows:
        console.print(row[0], soft_wrap=True)
        for column, cell in zip(shape[1:], row[1:], strict=True):
            if not cell.plain:
                continue
            name = Text(f"  {column.name}  " if column.name else "  ")
            if column.name and name.cell_len + _width(cell) > console.width:
                console.print(Text(f"  {column.name}"), soft_wrap=True)
                name = Text("" if 4 + _width(cell) > console.width else "    ")
            console.print(name + cell, soft_wrap=True)
