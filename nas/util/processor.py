"""What this machine's processor is called. Standard library only: the agent needs it, too."""

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name as the system gives it, such as `AMD EPYC`."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.partition(":")[::2] for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in fields.items()}
    return named.get("model name") or named.get("Model") or named.get("Hardware") or platform.machine()
