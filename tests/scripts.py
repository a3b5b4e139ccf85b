"""Files of benchmarks/ as modules, for tests of what they count."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_FOLDER = Path(__file__).parents[1] / "benchmarks"


def script(name: str) -> ModuleType:
    """A file of benchmarks/ as a module.

    Args:
        name: The file's name without its suffix.
    """
    spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no benchmark {name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
