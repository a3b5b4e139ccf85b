"""Names that a file system allows and programs stumble over, drawn at random."""

import os
import random

PIECES = (
    *(
        " ",
        "  ",
        "\t",
        "%2F",
        "%20",
        "%s",
        "?",
        "#",
        "{x}",
        "{",
        "}",
        "{}",
        "$HOME",
        "$a$b",
        "`",
        "'",
        '"',
        "\\",
        "\\n",
    ),
    *(
        "*",
        "[a]",
        "[",
        "**",
        "~",
        "-",
        "--",
        ":",
        ";",
        "&",
        "|",
        "<",
        ">",
        "=",
        "@",
        "!",
        "file:",
        "sqlite:",
        "//",
        "..",
    ),
    *(
        "é",
        "ÄÖ",
        "文件",
        "🦜",
        "e\u0301",
        "\u202e",
        "\u2028",
        "\xa0",
        "\x1b[31m",
        "\x7f",
        "\n",
        "\r",
        "\udcff",
        "\udce9\udc80",
    ),
    *("a", "B", "7", ".", "_", "x" * 40),
)
LONGEST_NAME = 255


def drawn(seed: int, *, pictures: bool = False, most: int = 200) -> str:
    """A folder's name of up to `most` bytes.

    Args:
        seed: What to draw; the same gives the same name.
        pictures: Whether pictures may lie there: without line breaks and bytes that are no UTF-8.
        most: Its length at most, in bytes.
    """
    draw = random.Random(seed)
    length, name = draw.randint(1, most), ""
    while len(os.fsencode(name)) < length:
        piece = draw.choice(PIECES).replace("/", "")
        if not (pictures and unfit_for_pictures(piece)):
            name += piece
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    # What begins with a surrogate pair's half may have been cut into; a name must come back as it went.
    name = os.fsdecode(os.fsencode(name))
    return f"{name}_" if set(name) <= {"."} else name


def unfit_for_pictures(name: str) -> bool:
    """Whether a picture's path may not hold this."""
    return any(one in "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029" or "\ud800" <= one <= "\udfff" for one in name)
