"""The agent: the process that measures, on this machine or at the other end of an ssh connection.

It reads one JSON object a line on standard input, `{"do": NAME, ...}`, and answers each with one line on standard
output: `{"ok": {...}}`, or `{"error": text, "kind": NAME}` with the name of an exception of `nas.errors`. What
libraries print goes to standard error. Nothing of the protocol is pickled; a model for the torch runtimes is a file of
torch's own, which is (`torch_files.py`). Importing this file needs nothing but the standard
library: numpy and a runtime are loaded when a model is first run.

    python -P -m nas.latency.agent.server
"""

import base64
import binascii
import json
import os
import platform
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from nas import __version__, errors
from nas.errors import GhostnasError, LatencyError, RuntimeMissing, UsageError
from nas.latency.agent import health
from nas.latency.agent.store import Store
from nas.latency.runtimes.plain_words import reasons
from nas.util.paths import cache_dir

Handler = Callable[[Mapping[str, Any], Store], dict[str, Any]]
"""Carries out one request, with the models that were sent."""

BYE = "bye"


def _hello(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Who is here: `version`, `python`, `platform`, `pid`, `fingerprint` (of `unit`), `runtimes`, `facts`."""
    from nas.latency.protocol.probe import fingerprint

    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "pid": os.getpid(),
        "fingerprint": fingerprint(request.get("unit", "cpu")),
        "runtimes": _runtimes(),
        "facts": health.facts(),
    }


def _runtimes() -> dict[str, dict[str, Any]]:
    """Each runtime: whether it is `installed`, and its version or how to install it (`text`)."""
    from nas.latency.runtimes.registry import runtime_version
    from nas.latency.types import RUNTIMES

    found: dict[str, dict[str, Any]] = {}
    for name in RUNTIMES:
        try:
            found[name] = {"installed": True, "text": runtime_version(name)}
        except RuntimeMissing as error:
            found[name] = {"installed": False, "text": str(error)}
    return found


def _have(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Whether the model `digest` is here: `have`."""
    return {"have": store.has(request["digest"])}


def _put(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Keep the model `digest`, whose bytes are the base64 text `data`."""
    try:
        data = base64.b64decode(request["data"], validate=True)
    except binascii.Error as error:
        raise LatencyError(f"a model must be sent as base64: {error}") from error
    store.put(request["digest"], data)
    return {}


def _try(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Run `model` once as `settings` say and check its outputs, without timing anything: `runtime_version`."""
    from nas.latency.artifacts.model_bytes import SizedModel
    from nas.latency.runtimes.registry import open_session, runtime_version
    from nas.latency.runtimes.session import check_finite
    from nas.latency.types import LatencySettings

    settings = LatencySettings(**request["settings"])
    model = SizedModel.read(request["model"], store.read)
    with open_session(model.model, model.imgsz, settings) as session:
        check_finite(session)
    return {"runtime_version": runtime_version(settings.runtime)}


def _key(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    from nas.latency.agent.handlers import key_here

    return key_here(request)


def _calibrate(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    health.require()
    from nas.latency.agent.handlers import calibrate_here

    return calibrate_here(request, store.read)


def _measure(request: Mapping[str, Any], store: Store) -> dict[str, Any]:
    health.require(max((store.size(one["digest"]) for one in request["models"]), default=0))
    from nas.latency.agent.handlers import measure_here

    return measure_here(request, store.read)


HANDLERS: Mapping[str, Handler] = {
    "hello": _hello,
    "have": _have,
    "put": _put,
    "try": _try,
    "key": _key,
    "calibrate": _calibrate,
    "measure": _measure,
    BYE: lambda request, store: {},
}


def serve(requests: BinaryIO, replies: BinaryIO, store: Store, handlers: Mapping[str, Handler] = HANDLERS) -> None:
    """Answer requests until one says bye, or nobody is there to ask any more."""
    for line in iter(requests.readline, b""):
        name, reply = answer(line, store, handlers)
        try:
            replies.write(reply + b"\n")
            replies.flush()
        except BrokenPipeError:
            return
        if name == BYE:
            return


def answer(line: bytes, store: Store, handlers: Mapping[str, Handler]) -> tuple[str, bytes]:
    """Carry out one request; whatever goes wrong becomes an error reply.

    Returns:
        The request's name, and the reply as JSON in one line.
    """
    name = ""
    try:
        request = _parsed(line)
        name = str(request["do"])
        if name not in handlers:
            raise UsageError(f"the agent is asked to {name!r}; it knows {', '.join(handlers)}")
        # A number that is not one must fail here, where it arose.
        return name, json.dumps({"ok": handlers[name](request, store)}, allow_nan=False).encode()
    except GhostnasError as error:
        return name, _error(str(error), _kind(error))
    except Exception as error:
        traceback.print_exc()  # to standard error, whose end the asking side shows
        return name, _error(f"{type(error).__name__}: {reasons(error)}", LatencyError.__name__)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise UsageError(f"a request must be one line of JSON: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        raise UsageError('a request must be a JSON object with "do" and the name of what to do')
    return request


def _kind(error: GhostnasError) -> str:
    # The nearest class that the other side knows: a library may derive its own.
    return str(next(cls.__name__ for cls in type(error).__mro__ if getattr(errors, cls.__name__, None) is cls))


def _error(text: str, kind: str) -> bytes:
    return json.dumps({"error": text, "kind": kind}).encode()


def main() -> None:
    """Answer on standard input and output; models are kept in the cache folder for the next agent."""
    # The replies have the output for themselves.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(BrokenPipeError), replies:
        serve(sys.stdin.buffer, replies, Store(cache_dir() / "models"))
