"""The child of `nas.latency.fresh_process`: reads one request, measures, writes one reply.

Request: `imgsz`, `settings`, `level`, `target_ms`, `turnstile` (lock file), and `onnx` (a file) or, for
the torch runtime, `model` (a YAML, a .pt or a stock name).
Reply: `{"latency": ...}` or `{"error": message, "disturbed": whether to try again}`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from nas.errors import GhostnasError, Unmeasurable
from nas.latency.local import measure
from nas.latency.models import load_module
from nas.latency.values import LatencySettings, Subject
from nas.turnstile import Turnstile


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request; a failure becomes an `error` with its message."""
    try:
        imgsz = request["imgsz"]
        if "onnx" in request:
            subject = Subject(imgsz, onnx=Path(request["onnx"]).read_bytes())
        else:
            subject = Subject(imgsz, module=load_module(request["model"]))
        latency = measure(
            subject,
            LatencySettings(**request["settings"]),
            level=request["level"],
            target_ms=request["target_ms"],
            turnstile=Turnstile(Path(request["turnstile"])),
        )
    except (GhostnasError, OSError) as error:
        return {"error": str(error), "disturbed": isinstance(error, Unmeasurable)}
    return {"latency": latency.to_dict()}


def main() -> None:
    """Answer the request on standard input."""
    # Libraries chat on standard output; the reply has it for itself.
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with reply:
        json.dump(answer(json.load(sys.stdin)), reply)


if __name__ == "__main__":
    main()
