"""The blocks of a bundle's module, `ghost_blocks`, as checkpoints name them: here they are our own classes."""

import importlib
import importlib.util
import pkgutil
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from nas.blocks import MODULE_NAME


def know_bundled_blocks() -> None:
    """Make checkpoints loadable that were trained from a bundle.

    They refer to the bundle's module, `ghost_blocks`; without it Ultralytics would offer to pip install that
    name. The classes here are the ones that the bundle was made from.
    """
    if MODULE_NAME not in sys.modules and importlib.util.find_spec(MODULE_NAME) is None:
        sys.modules[MODULE_NAME] = stand_in()


@cache
def stand_in() -> types.ModuleType:
    """A module of the bundle's name that holds our own classes."""
    import nas.blocks

    module = types.ModuleType(MODULE_NAME, "Stand-in for a bundle's module.")
    for found in pkgutil.iter_modules(nas.blocks.__path__, "nas.blocks."):
        source = importlib.import_module(found.name)
        members = {name: value for name, value in vars(source).items() if isinstance(value, type)}
        module.__dict__.update({name: value for name, value in members.items() if value.__module__ == source.__name__})
    assert set(vars(module)) >= nas.blocks.REGISTERED.keys()
    return module


@contextmanager
def named_as_in_a_bundle() -> Iterator[None]:
    """Inside, what is pickled refers to blocks as those of a bundle do.

    Such a file loads where ghostnas is, and with the bundle where it is not.
    """
    ours_as_bundled, before = stand_in(), sys.modules.get(MODULE_NAME)
    ours = [(one, one.__module__) for one in vars(ours_as_bundled).values() if isinstance(one, type)]
    try:
        # Pickle takes a class for the one that its name leads to, so a bundle that is imported here must give way.
        sys.modules[MODULE_NAME] = ours_as_bundled
        for one, _ in ours:
            one.__module__ = MODULE_NAME
        yield
    finally:
        for one, name in ours:
            one.__module__ = name
        if before is None:
            del sys.modules[MODULE_NAME]
        else:
            sys.modules[MODULE_NAME] = before
