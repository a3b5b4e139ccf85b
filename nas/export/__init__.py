"""A trained design as a file of a runtime, and its bundle."""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.export.bundle import write_bundle
    from nas.export.exporter import export

__getattr__ = lazy(
    __name__,
    {
        "bundle": ("write_bundle",),
        "exporter": ("export",),
    },
)
