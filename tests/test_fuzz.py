"""What hypothesis makes up: files and messages that nobody would write. None crashes, and none runs code.

Each test makes up the same every time. After some seconds it draws its further examples without trying them.
"""

import io
import json
import sqlite3
import string
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas.data import load
from nas.errors import GhostnasError, LatencyError
from nas.latency.agent import server
from nas.latency.agent.store import Store
from nas.latency.remote.connection import AgentConnection
from nas.space.space import load_space
from nas.study.settings import SearchSettings
from nas.study.store import read_records
from tests.cli.bad import data_sets, studies
from tests.trained_run import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_LONGEST_S = 8.0
_RAN = "ran"
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "socket.connect",
    "urllib.Request",
)
"""What a file or a message must not bring about, as Python's own audit names it."""

_watched: list[list[str]] = []


def _audit(event: str, arguments: object) -> None:
    if _watched and event in _FORBIDDEN:
        _watched[-1].append(event)


@pytest.fixture(scope="module", autouse=True)
def audited() -> None:
    """Python's audit; it stays for as long as the process, so it begins with the first of these tests."""
    sys.addaudithook(_audit)


@contextmanager
def no_code_runs() -> Iterator[None]:
    """Inside, no process is started, nothing is unpickled and no connection is opened."""
    seen: list[str] = []
    _watched.append(seen)
    try:
        yield
    finally:
        _watched.pop()
    assert not seen


def fuzz(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings of hypothesis with which a test repeats itself and leaves no files."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@dataclass
class Clock:
    """Whether a test has time left; after that its further examples do nothing."""

    end: float = field(default_factory=lambda: time.monotonic() + _LONGEST_S)

    def over(self) -> bool:
        return time.monotonic() > self.end


@pytest.fixture
def clock() -> Clock:
    return Clock()


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="/~."), max_size=12)
"""Texts that are no path to other folders, in which a data set would be looked for."""

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 70),
    st.floats(),
    _WORDS,
    st.sampled_from(["1e999", "0x1F", "010", "no", "2020-13-45", "ghost", "c3k2", "P3-P5", "onnxruntime", "float16"]),
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=3), max_leaves=8
)

_SNIPPETS = (
    f'!!python/object/apply:os.system ["touch {_RAN}"]',
    f"!!python/object/new:os.system [touch {_RAN}]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!binary aGVsbG8=",
    "!!set {a, b}",
    "!!timestamp 2020-13-45",
    "!!float many",
    "!!int 0b2",
    "&a [*a]",
    "<<: *a",
    "*a",
    "? [a]",
    "{",
    "]",
    "\t",
    "\n",
    "---",
    "\0",
    "%YAML 9.9",
    "'",
    '"\\ud800"',
    f"download: open('{_RAN}', 'w')",
    "9" * 5000,
    "[" * 3000,
)
"""Pieces of YAML that make objects, break rules or have no end."""


@st.composite
def _mutated(draw: st.DrawFn, content: dict[str, Any]) -> dict[str, Any]:
    """A mapping with some of its values, at any depth, replaced or left out, and perhaps a new key."""
    made: dict[str, Any] = json.loads(json.dumps(content))
    for _ in range(draw(st.integers(1, 3))):
        place = made
        while True:
            key = draw(st.sampled_from(sorted(place))) if place else draw(_WORDS)
            inner = place.get(key)
            if not isinstance(inner, dict) or draw(st.booleans()):
                break
            place = inner
        kind = draw(st.sampled_from(("value", "gone", "new")))
        if kind == "gone":
            place.pop(key, None)
        else:
            place[key if kind == "value" else draw(_WORDS)] = draw(_VALUES)
    return made


@st.composite
def _spliced(draw: st.DrawFn, text: str) -> str:
    """A text with pieces of YAML put in anywhere, and perhaps cut short."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(_SNIPPETS)) + text[at + draw(st.integers(0, 20)) :]
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


def _yaml_like(text: str) -> st.SearchStrategy[str]:
    """YAML files that are nearly a good one, and some that are nothing."""
    dumped = _mutated(yaml.safe_load(text)).map(lambda content: yaml.safe_dump(content, allow_unicode=True))
    return st.one_of(dumped, _spliced(text), st.text(string.printable, max_size=60))


def _allowed(do: Callable[[], object]) -> object:
    """What a call gives; one of our own errors is as good, if it is told in lines that can be printed."""
    try:
        with no_code_runs():
            return do()
    except GhostnasError as error:
        assert str(error).strip()
        return None


@given(text=_yaml_like((Path(__file__).parents[1] / "search_spaces" / "ghostv2-n.yaml").read_text()))
@fuzz(200)
def test_space_files(text: str, tmp_path: Path, clock: Clock) -> None:
    if clock.over():
        return
    file = tmp_path / "space.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    _allowed(lambda: load_space(str(file)).size)
    assert {path.name for path in tmp_path.iterdir()} == {"space.yaml"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    data_sets.good(folder)
    return folder


@given(text=_yaml_like(data_sets.YAML))
@fuzz(150)
def test_data_yamls(text: str, pictures: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    if clock.over():
        return
    monkeypatch.chdir(pictures)
    file = pictures / "data.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    _allowed(lambda: load(str(file)))
    assert {path.name for path in pictures.iterdir()} == {"data.yaml", "images", "labels"}


@given(content=_mutated(SETTINGS.to_dict()))
@fuzz(250)
def test_settings_of_a_study(content: dict[str, Any], clock: Clock) -> None:
    if clock.over():
        return
    try:
        with no_code_runs():
            found = SearchSettings.from_dict(content)
    except (KeyError, ValueError, GhostnasError):
        return
    assert SearchSettings.from_dict(json.loads(json.dumps(found.to_dict()))).digest == found.digest
    assert found.default_name and found.beginning


@given(content=st.one_of(_mutated(SETTINGS.to_dict()), _VALUES))
@fuzz(60)
def test_studies_with_such_settings(content: Any, tmp_path: Path, clock: Clock) -> None:
    if clock.over():
        return
    studies.study(tmp_path)
    folder = tmp_path / "results" / "mine"
    with sqlite3.connect(folder / "study.db") as connection:
        changed = "UPDATE study_user_attributes SET value_json = ? WHERE key = 'settings'"
        connection.execute(changed, [json.dumps(content)])
    connection.close()
    _allowed(lambda: read_records(folder))


_FIELDS = ("digest", "data", "settings", "model", "models", "references", "calibration", "unit", "fresh", "level")
_REQUESTS = st.one_of(
    st.binary(max_size=40),
    _VALUES.map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda do, more: json.dumps({"do": do, **more}).encode(),
        st.sampled_from([*server.HANDLERS, "", "serve"]) | _SCALARS,
        st.dictionaries(
            st.sampled_from(_FIELDS),
            _VALUES | st.just({"kind": "pt", "digest": "a" * 64, "imgsz": 64}) | st.just({"runtime": "torch"}),
            max_size=4,
        ),
    ),
)


class _NoLock:
    """A machine that nobody else uses."""

    def training(self) -> AbstractContextManager[None]:
        return nullcontext()

    measuring = training


@given(line=_REQUESTS)
@fuzz(300)
def test_requests_to_an_agent(line: bytes, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    if clock.over():
        return
    # Which processors and runtimes are here is asked of other programs.
    monkeypatch.setattr("nas.latency.agent.server._runtimes", dict)
    monkeypatch.setattr("nas.latency.agent.health.require", lambda *_: None)
    # Nothing here is measured, so nothing waits for other measurements.
    monkeypatch.setattr("nas.latency.agent.handlers.MachineLock", _NoLock)
    monkeypatch.setattr("nas.latency.agent.handlers.ahead_of_others", lambda *_: nullcontext())
    server.answer(b'{"do": "hello"}', Store(tmp_path), server.HANDLERS)  # asks other programs once
    replies = io.BytesIO()
    with no_code_runs():
        server.serve(
            io.BytesIO(line.replace(b"\n", b"") + b'\n{"do": "have", "digest": ""}\n'), replies, Store(tmp_path)
        )
    told = [json.loads(reply) for reply in replies.getvalue().splitlines()]
    assert len(told) == 2 or (told == [{"ok": {}}] and b'"bye"' in line)
    assert all(("ok" in reply) != ("error" in reply) for reply in told)


class _Pipes:
    """An agent that says one thing."""

    def __init__(self, line: bytes) -> None:
        self._line = line

    def exchange(self, message: bytes, timeout_s: float) -> bytes:
        return self._line

    def kill(self) -> None:
        pass


@given(
    line=st.one_of(
        st.binary(max_size=40),
        _VALUES.map(lambda value: json.dumps(value).encode()),
        st.builds(
            lambda key, value, kind: json.dumps({key: value, "kind": kind}).encode(),
            st.sampled_from(("ok", "error")),
            _VALUES,
            st.sampled_from(("LatencyError", "Busy", "KeyboardInterrupt", "__builtins__")) | _SCALARS,
        ),
        st.just(b"[" * 100_000),
    )
)
@fuzz(300)
def test_replies_of_an_agent(line: bytes, clock: Clock) -> None:
    if clock.over():
        return
    link = AgentConnection("the agent", _Pipes(line))  # type: ignore[arg-type]
    found = _allowed(lambda: link.ask({"do": "hello"}, timeout_s=1))
    assert found is None or isinstance(found, dict)


def test_the_watch_sees_code_that_runs(tmp_path: Path) -> None:
    import os

    with pytest.raises(AssertionError), no_code_runs():
        os.system("true")


def test_a_checkpoint_for_the_torch_runtimes_runs_no_code(tmp_path: Path) -> None:
    import os

    from nas.latency.artifacts.torch_file import from_pt
    from tests.cli.bad.checkpoints import RunsCode, saved

    data = saved({"model": RunsCode(os.system, f"touch {tmp_path / _RAN}")})
    with no_code_runs(), pytest.raises(LatencyError, match=r"needs posix\.system"):
        from_pt(data)
    assert not (tmp_path / _RAN).exists()
