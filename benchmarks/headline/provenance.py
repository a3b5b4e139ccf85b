"""Where the rows come from: the commit, the machine, the versions."""

import json
import subprocess
from dataclasses import asdict
from functools import cache
from pathlib import Path

from benchmarks.headline.plan import Plan
from nas.util.atomic_files import write_whole
from nas.util.provenance import command, file_digest, host_machine, versions

_ROOT, _CODE = Path(__file__).parents[2], ("nas", "benchmarks", "search_spaces")


def origin() -> dict[str, str]:
    """The columns that every row ends with."""
    known = versions()
    return {
        "commit": commit(),
        "host": str(host_machine()["processor"]),
        "versions": " ".join(f"{name}={known[name]}" for name in ("ghostnas", "torch", "ultralytics", "onnxruntime")),
    }


@cache
def commit() -> str:
    """The commit of the code, with a `+` where files of it were changed.

    Raises:
        SystemExit: The code is in no git repository.
    """
    try:
        found, changed = (
            _git(*words)
            for words in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "-uno", "--", *_CODE))
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"the commit of {_ROOT} is not known ({error}); run the benchmark in a git clone") from error
    return found + "+" * bool(changed)


def write_provenance(plan: Plan) -> None:
    """Write `provenance.json`."""
    data = plan.data
    content = {
        "command": command(),
        "commit": commit(),
        "data": {"name": data.name, "digest": data.digest, "classes": data.names},
        "pictures": {part.name: len(part) for part in (data.train, data.select, data.val)},
        "source": f"{plan.source.name} ({file_digest(plan.source)[:10]})",
        "source_steps": plan.source_steps,
        "target_ms": plan.target_ms,
        "latency": asdict(plan.latency),
        "seeds": plan.seeds,
        "steps": plan.steps,
        "hand_steps": plan.hand_steps,
        "epochs": plan.epochs,
        "workers": plan.workers,
        "device": plan.device,
        "search_options": plan.search_options,
        "machine": host_machine(),
        "versions": versions(),
    }
    write_whole(plan.kept / "provenance.json", (json.dumps(content, indent=2) + "\n").encode())


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(_ROOT), *words], check=True, capture_output=True, text=True).stdout.strip()
