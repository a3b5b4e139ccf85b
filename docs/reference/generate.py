"""Writes the tables of `cli.md` from the help of the command line; the prose around them is by hand.

python docs/reference/generate.py            # writes
python docs/reference/generate.py --check    # exit code 1 where the page is not what would be written
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from nas.cli.app import build_app

PAGE = Path(__file__).with_name("cli.md")
_HEAD = "| argument or option | meaning | default |\n|---|---|---|\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its words, such as `latency predict`."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", {})
        for child, sub in children.items():
            yield from walk(f"{name} {child}".strip(), sub)
        if not children:
            yield name, command

    yield from walk("", typer.main.get_command(build_app()))


def table(command: Any) -> str:
    """A command's arguments and options, without `--help`."""
    return _HEAD + "".join(_row(one) for one in command.params if one.name != "help")


def _row(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if option else [parameter.name.upper()]
    name = ", ".join(f"`{one}`" for one in sorted(names, key=len, reverse=True))
    cells = name, " ".join((getattr(parameter, "help", None) or "").split()), _default(parameter)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return shown
    default = parameter.default
    if isinstance(default, bool):
        return "on" if default else "off"
    return "" if default in (None, (), []) or callable(default) else str(default)


def page(text: str) -> str:
    """The page with every command's table as it is now.

    Raises:
        ValueError: A command has no section.
    """
    for name, command in commands():
        heading = f"## ghostnas {name}\n"
        begin = text.find(heading)
        if begin < 0:
            raise ValueError(f"{PAGE} has no section `{heading.strip()}`")
        end = text.find("\n## ", begin + len(heading))
        end = len(text) if end < 0 else end
        section = re.sub(r"\| argument or option \|(?:.*\n)+?(?=\n|\Z)", lambda _, c=command: table(c), text[begin:end])
        text = text[:begin] + section + text[end:]
    return text


def main() -> None:
    """Write the page, or say that it is not fresh."""
    now = PAGE.read_text(encoding="utf-8")
    fresh = page(now)
    if sys.argv[1:] == ["--check"]:
        sys.exit(None if fresh == now else f"{PAGE} is not fresh: python docs/reference/generate.py")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
