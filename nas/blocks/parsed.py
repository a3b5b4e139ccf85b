"""How our blocks become known to Ultralytics' model parser.

Ultralytics (8.4) has no official hook for foreign modules. `parse_model` looks a name up among the globals of
`ultralytics.nn.tasks` and then decides by set membership (`m in base_modules`) how to pass channels: a class
that is in none of its sets gets its arguments verbatim and is assumed to keep its input's channel count. That
rules out a block with c1 != c2 and a head that reads several maps.

A class with the metaclass `ParsedAs` hashes and compares equal to one stock class, so it is found in every
set that holds the stock class and gets the same arguments: `[c1, c2, *args]` for `Conv`, and `[*args,
reg_max, end2end, channels]` for `Detect`. Nothing of Ultralytics is replaced. Identity (`is`), `isinstance`,
pickling and copying do not use class equality and are not affected.
"""

from typing import Any


class ParsedAs(type):
    """Metaclass of modules that Ultralytics' `parse_model` treats like the class given as `stock`."""

    stock: type

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], stock: type | None = None) -> Any:
        """Create the class; `stock` may be left out by a subclass, which is parsed like its parent."""
        cls = super().__new__(mcs, name, bases, namespace)
        if stock is not None:
            cls.stock = stock
        return cls

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], stock: type | None = None) -> None:
        """Accept the `stock` keyword, which `type.__init__` does not know."""
        super().__init__(name, bases, namespace)

    def __eq__(cls, other: object) -> bool:
        """Equal to itself and to its stock class."""
        return other is cls or other is cls.stock

    def __hash__(cls) -> int:
        """The hash of the stock class, so that sets that hold it are found to hold this class."""
        return hash(cls.stock)
